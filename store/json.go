package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"upkeep/internal/panel"
)

// exitRecord is a panel.Exit as it is stored. It has its own field names so that renaming one in panel does not
// lose what old databases hold. A field that is left out has its zero value.
type exitRecord struct {
	Kind           panel.EndKind `json:"kind"`
	Code           int           `json:"code,omitempty"`
	Signal         int           `json:"signal,omitempty"`
	CoreDumped     bool          `json:"core_dumped,omitempty"`
	Step           panel.Step    `json:"step,omitempty"`
	Errno          int           `json:"errno,omitempty"`
	Detail         string        `json:"detail,omitempty"`
	Run            int           `json:"run,omitempty"`
	AtMillis       int64         `json:"at_ms,omitempty"`
	UptimeNanos    time.Duration `json:"uptime_ns,omitempty"`
	Asked          bool          `json:"asked,omitempty"`
	Clean          bool          `json:"clean,omitempty"`
	Host           bool          `json:"host,omitempty"`
	OutOfMemory    bool          `json:"out_of_memory,omitempty"`
	LeftForeground bool          `json:"left_foreground,omitempty"`
}

func toExitRecord(e *panel.Exit) *exitRecord {
	if e == nil {
		return nil
	}
	return &exitRecord{e.Kind, e.Code, e.Signal, e.CoreDumped, e.Step, e.Errno, e.Detail, e.Run, millis(e.At), e.Uptime,
		e.Asked, e.Clean, e.Host, e.OutOfMemory, e.LeftForeground}
}

func (r *exitRecord) exit() *panel.Exit {
	if r == nil {
		return nil
	}
	return &panel.Exit{Kind: r.Kind, Code: r.Code, Signal: r.Signal, CoreDumped: r.CoreDumped, Step: r.Step,
		Errno: r.Errno, Detail: r.Detail, Run: r.Run, At: moment(r.AtMillis), Uptime: r.UptimeNanos, Asked: r.Asked,
		Clean: r.Clean, Host: r.Host, OutOfMemory: r.OutOfMemory, LeftForeground: r.LeftForeground}
}

// outcomeRecord is a panel.RestartOutcome as it is stored.
type outcomeRecord struct {
	Result     panel.RestartResult `json:"result"`
	Hard       bool                `json:"hard,omitempty"`
	OldPID     int                 `json:"old_pid,omitempty"`
	PID        int                 `json:"pid,omitempty"`
	Run        int                 `json:"run,omitempty"`
	AfterNanos time.Duration       `json:"after_ns,omitempty"`
	Exit       *exitRecord         `json:"exit,omitempty"`
}

// encode returns the text of a JSON column, or nil for NULL. Bytes that are not UTF-8 become U+FFFD.
func encode[T any](v *T) (any, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}

func decode[T any](text sql.NullString) (*T, error) {
	if !text.Valid {
		return nil, nil
	}
	v := new(T)
	if err := json.Unmarshal([]byte(text.String), v); err != nil {
		return nil, fmt.Errorf("decode %.100q: %w", text.String, err)
	}
	return v, nil
}

func encodeExit(e *panel.Exit) (any, error) { return encode(toExitRecord(e)) }

func decodeExit(text sql.NullString) (*panel.Exit, error) {
	r, err := decode[exitRecord](text)
	return r.exit(), err
}

func encodeOutcome(o *panel.RestartOutcome) (any, error) {
	if o == nil {
		return nil, nil
	}
	return encode(&outcomeRecord{o.Result, o.Hard, o.OldPID, o.PID, o.Run, o.After, toExitRecord(o.Exit)})
}

func decodeOutcome(text sql.NullString) (*panel.RestartOutcome, error) {
	r, err := decode[outcomeRecord](text)
	if r == nil {
		return nil, err
	}
	return &panel.RestartOutcome{Result: r.Result, Hard: r.Hard, OldPID: r.OldPID, PID: r.PID, Run: r.Run,
		After: r.AfterNanos, Exit: r.Exit.exit()}, nil
}

// encodeTimes returns a JSON list of milliseconds.
func encodeTimes(times []time.Time) string {
	text := []byte("[")
	for i, t := range times {
		if i > 0 {
			text = append(text, ',')
		}
		text = fmt.Append(text, millis(t))
	}
	return string(append(text, ']'))
}

func decodeTimes(text string) ([]time.Time, error) {
	var list []int64
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("decode times %.100q: %w", text, err)
	}
	var times []time.Time
	for _, ms := range list {
		times = append(times, moment(ms))
	}
	return times, nil
}
