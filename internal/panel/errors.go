package panel

import (
	"errors"
	"sort"
	"strings"
)

// Sentinel errors. A package that finds one of these conditions answers with it, wrapped.
var (
	// ErrNotFound also stands for what exists and is somebody else's: the two must look alike.
	ErrNotFound  = errors.New("not found")
	ErrConflict  = errors.New("conflict")
	ErrForbidden = errors.New("forbidden")
	// ErrGone says that a process, or a run, ended before the request reached it.
	ErrGone = errors.New("gone")
	// ErrStorage says that the database cannot be read or written, by no fault of the request.
	ErrStorage = errors.New("the database cannot be used")
	// ErrBusy says that the same work is already under way, such as a second restart.
	ErrBusy = errors.New("busy")
)

// ValidationError says what is wrong with what a person typed: field name of the form to message. The key ""
// is for the form as a whole.
type ValidationError struct {
	Fields map[string]string
}

// Error lists the fields in alphabetical order.
func (e *ValidationError) Error() string {
	names := make([]string, 0, len(e.Fields))
	for name := range e.Fields {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(name + ": " + e.Fields[name])
	}
	return b.String()
}

// Set adds a message for a field unless the field has one already.
func (e *ValidationError) Set(field, message string) {
	if e.Fields == nil {
		e.Fields = map[string]string{}
	}
	if _, ok := e.Fields[field]; !ok {
		e.Fields[field] = message
	}
}

// Err returns e, or nil when no field is wrong.
func (e *ValidationError) Err() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}
