// Package launcher is the stage between upkeep and a customer's program: a small process that takes on
// everything a program must be born with — control group, limits, identity, working directory — and then becomes
// the program by execve, with the same PID.
//
// Both ends live here. The daemon starts a launcher with [Start] and gives it a [Spec] with [Launcher.Execute];
// the helper binary calls [Main]. Between them is a socket that closes by itself when the program is executed: a
// last word and then silence mean success, and anything else is the step that failed.
//
// It imports the standard library and x/sys only, because every start of a service pays for the size of the
// helper.
package launcher

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"upkeep/internal/panel"
)

// Spec is what a launcher is told.
type Spec struct {
	Cgroups []string // cgroup.procs or tasks files to join, in order; each by writing "0"

	SetUser    bool // become UID, GID and Groups; false when upkeep runs without root
	UID, GID   int
	Groups     []int // supplementary groups, complete
	NoNewPrivs bool

	Umask       int
	OpenFile    uint64 // soft limit of open descriptors; 0 leaves it
	OpenFileMax uint64 // hard limit of open descriptors; 0 leaves it
	Processes   uint64 // of the Unix user, when it becomes another one; 0 leaves it
	OOMScore    int    // added to the score by which the kernel chooses whom to kill for memory; 0 leaves it

	Directory string   // absolute
	Argv      []string // Argv[0] is looked up in the PATH of Env unless it holds a slash
	Env       []string
	Banner    string // line for the output before the program's own; "%d" stands for the PID
}

// Failure is why a launcher could not execute the program.
type Failure struct {
	Step   panel.Step
	Errno  int
	Detail string // the path or name concerned
}

func (f *Failure) Error() string { return fmt.Sprintf("%s: errno %d: %s", f.Step, f.Errno, f.Detail) }

// maxMessage bounds a spec: far above what the limits of a definition allow, far below what would hurt.
const maxMessage = 1 << 20

var errMessage = errors.New("malformed launcher message")

// encode writes the spec as a length and a list of NUL-terminated key=value strings. It refuses a value that holds
// a NUL, which execve could not pass on and which would smuggle a field in. A spec that is too long is a [*Failure],
// the one that execve would answer with.
func (s *Spec) encode() ([]byte, error) {
	var b strings.Builder
	fields := 0
	put := func(key, value string) {
		b.WriteString(key + "=" + value + "\x00")
		fields++
	}
	for _, path := range s.Cgroups {
		put("cgroup", path)
	}
	put("setuser", strconv.FormatBool(s.SetUser))
	put("uid", strconv.Itoa(s.UID))
	put("gid", strconv.Itoa(s.GID))
	for _, g := range s.Groups {
		put("group", strconv.Itoa(g))
	}
	put("nonewprivs", strconv.FormatBool(s.NoNewPrivs))
	put("umask", strconv.Itoa(s.Umask))
	put("openfile", strconv.FormatUint(s.OpenFile, 10))
	put("openfilemax", strconv.FormatUint(s.OpenFileMax, 10))
	put("processes", strconv.FormatUint(s.Processes, 10))
	put("oomscore", strconv.Itoa(s.OOMScore))
	put("directory", s.Directory)
	put("banner", s.Banner)
	for _, a := range s.Argv {
		put("arg", a)
	}
	for _, e := range s.Env {
		put("env", e)
	}
	if strings.Count(b.String(), "\x00") != fields {
		return nil, fmt.Errorf("%w: NUL in a value", errMessage)
	}
	if b.Len() > maxMessage {
		return nil, &Failure{Step: panel.StepExecute, Errno: int(syscall.E2BIG), Detail: s.Argv[0]}
	}
	message := binary.LittleEndian.AppendUint32(nil, uint32(b.Len()))
	return append(message, b.String()...), nil
}

// decode reads what encode wrote, without the length.
func decode(body []byte) (*Spec, error) {
	s := &Spec{}
	for _, field := range strings.Split(strings.TrimSuffix(string(body), "\x00"), "\x00") {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return nil, fmt.Errorf("%w: %q", errMessage, field)
		}
		if err := s.set(key, value); err != nil {
			return nil, err
		}
	}
	if len(s.Argv) == 0 {
		return nil, fmt.Errorf("%w: no program", errMessage)
	}
	return s, nil
}

func (s *Spec) set(key, value string) (err error) {
	switch key {
	case "cgroup":
		s.Cgroups = append(s.Cgroups, value)
	case "setuser":
		s.SetUser, err = strconv.ParseBool(value)
	case "uid":
		s.UID, err = strconv.Atoi(value)
	case "gid":
		s.GID, err = strconv.Atoi(value)
	case "group":
		var g int
		g, err = strconv.Atoi(value)
		s.Groups = append(s.Groups, g)
	case "nonewprivs":
		s.NoNewPrivs, err = strconv.ParseBool(value)
	case "umask":
		s.Umask, err = strconv.Atoi(value)
	case "openfile":
		s.OpenFile, err = strconv.ParseUint(value, 10, 64)
	case "openfilemax":
		s.OpenFileMax, err = strconv.ParseUint(value, 10, 64)
	case "processes":
		s.Processes, err = strconv.ParseUint(value, 10, 64)
	case "oomscore":
		s.OOMScore, err = strconv.Atoi(value)
	case "directory":
		s.Directory = value
	case "banner":
		s.Banner = value
	case "arg":
		s.Argv = append(s.Argv, value)
	case "env":
		s.Env = append(s.Env, value)
	default:
		return fmt.Errorf("%w: key %q", errMessage, key)
	}
	return err
}

// encodeFailure and decodeFailure carry a Failure back; the three parts are NUL-separated.
func encodeFailure(f *Failure) []byte {
	return []byte(string(f.Step) + "\x00" + strconv.Itoa(f.Errno) + "\x00" + f.Detail)
}

func decodeFailure(b []byte) (*Failure, error) {
	parts := strings.SplitN(string(b), "\x00", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: %q", errMessage, b)
	}
	errno, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil, fmt.Errorf("%w: %q", errMessage, b)
	}
	return &Failure{Step: panel.Step(parts[0]), Errno: errno, Detail: parts[2]}, nil
}
