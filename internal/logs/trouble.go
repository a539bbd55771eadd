package logs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// refusal says why something in a home is not used: because of what it is, or because of a system call.
type refusal struct {
	what   string // "log folder", "log file"
	path   string // from "~" on
	kind   string // what it is; empty when err says why
	wanted string // what it should be
	err    error
}

func (r *refusal) Error() string {
	if r.err != nil {
		return fmt.Sprintf("%s %s: %v", r.what, r.path, r.err)
	}
	return fmt.Sprintf("%s %s is %s", r.what, r.path, r.kind)
}

// Unwrap gives the error of the system call, or [panel.ErrForbidden] for what must not be followed.
func (r *refusal) Unwrap() error {
	if r.err != nil {
		return r.err
	}
	return panel.ErrForbidden
}

// at names the thing that an error is about.
func at(err error, what, path string) error {
	if err == nil {
		return nil
	}
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{err: err}
	}
	r.what, r.path = what, path
	return r
}

func kindOf(st unix.Stat_t) string {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a named pipe"
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFREG:
		return "a file"
	}
	return "a device"
}

const insteadOwn = "output goes to upkeep's own folder until "

// sentence says what is wrong with the home, where output goes and what ends it. own is the trouble of
// upkeep's own file.
func sentence(err, own error) string {
	var r *refusal
	switch {
	case err == nil:
		return ""
	case own != nil:
		return fmt.Sprintf("Neither the log file (%v) nor upkeep's own folder (%v) takes output; "+
			"it waits, and so may the program, until one of them does.", plain(err), plain(own))
	case errors.Is(err, errHomeGone):
		return "The home folder is missing; " + insteadOwn + "it is there again."
	case errors.Is(err, unix.EDQUOT):
		return "The account's disk quota is used up; " + insteadOwn + "there is space again."
	case errors.Is(err, unix.ENOSPC):
		return "The disk of the home is full; " + insteadOwn + "there is space again."
	case errors.As(err, &r) && r.err == nil:
		return fmt.Sprintf("The %s %s is %s; %sit is %s again.", r.what, r.path, r.kind, insteadOwn, r.wanted)
	case errors.As(err, &r):
		return fmt.Sprintf("The %s %s cannot be used (%v); %sit can.", r.what, r.path, r.err, insteadOwn)
	}
	return fmt.Sprintf("The log file cannot be written (%v); %sit can.", err, insteadOwn)
}

// plain is the error of the system call alone, for a sentence.
func plain(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
