package privilege

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// somebody is a user that need not exist: the kernel knows numbers only.
var somebody = Credentials{UID: 70001, GID: 70002, Groups: []int{70004, 70003, 70004}}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can act as another user")
	}
}

// openFolder is a folder that everybody may reach and write.
func openFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func owner(t *testing.T, path string) (uid, gid int) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return int(st.Uid), int(st.Gid)
}

func TestAsOwnsWhatItMakes(t *testing.T) {
	needRoot(t)
	path := filepath.Join(openFolder(t), "file")
	if err := As(somebody, func() error { return os.WriteFile(path, nil, 0o600) }); err != nil {
		t.Fatal(err)
	}
	if uid, gid := owner(t, path); uid != somebody.UID || gid != somebody.GID {
		t.Errorf("owner of the file: got %d:%d, want %d:%d", uid, gid, somebody.UID, somebody.GID)
	}
}

func TestAsHasTheAccountsRightsOnly(t *testing.T) {
	needRoot(t)
	tests := []struct {
		name     string
		uid, gid int
		mode     os.FileMode
		want     error
	}{
		{"file of root", 0, 0, 0o600, syscall.EACCES},
		{"own file", somebody.UID, 0, 0o600, nil},
		{"file of the group", 0, somebody.GID, 0o060, nil},
		{"file of a supplementary group", 0, 70003, 0o060, nil},
		{"file of another group", 0, 70005, 0o060, syscall.EACCES},
		{"file of root's group", 0, 0, 0o060, syscall.EACCES},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(openFolder(t), "file")
			err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, tt.uid, tt.gid), os.Chmod(path, tt.mode))
			if err != nil {
				t.Fatal(err)
			}
			err = As(somebody, func() error {
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err == nil {
					f.Close()
				}
				return err
			})
			if !errors.Is(err, tt.want) {
				t.Errorf("open: got %v, want %v", err, tt.want)
			}
		})
	}
}

// Identities must not leak between threads, nor to the main one, whatever the scheduler does.
func TestAsIsOfOneThread(t *testing.T) {
	needRoot(t)
	before, err := current()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 300 {
		c := Credentials{UID: 71000 + n, GID: 72000 + n, Groups: []int{73000 + n}}
		wg.Go(func() {
			err := As(c, func() error {
				if unix.Gettid() == os.Getpid() {
					return errors.New("ran on the main thread")
				}
				now, err := current()
				if err == nil && fmt.Sprint(now) != fmt.Sprint(c) {
					err = fmt.Errorf("identity: got %v, want %v", now, c)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if now, err := current(); err != nil || fmt.Sprint(now) != fmt.Sprint(before) {
				t.Errorf("identity outside: got %v, %v, want %v", now, err, before)
			}
		})
	}
	wg.Wait()
	for _, task := range tasks(t) {
		if got := field(t, task, "Uid:"); strings.Join(got, " ") != "0 0 0 0" {
			t.Errorf("users of thread %s: got %v, want root", filepath.Base(task), got)
		}
	}
}

func TestAsReturnsTheError(t *testing.T) {
	want := errors.New("sentinel")
	for _, c := range []Credentials{somebody, {UID: os.Geteuid()}} {
		if err := As(c, func() error { return want }); err != want {
			t.Errorf("error as %d: got %v, want %v", c.UID, err, want)
		}
	}
}

func TestAsOwnUserStaysOnTheGoroutine(t *testing.T) {
	ran := false
	if err := As(Credentials{UID: os.Geteuid()}, func() error { ran = true; return nil }); err != nil || !ran {
		t.Errorf("got %v, ran %v", err, ran)
	}
}

// A thread that lost CAP_SETGID cannot take its groups back: it must end.
func TestAsEndsAThreadThatCannotReturn(t *testing.T) {
	needRoot(t)
	var tid int
	err := As(somebody, func() error {
		tid = unix.Gettid()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		if err := unix.Capget(&header, &sets[0]); err != nil {
			return err
		}
		sets[0].Effective &^= 1 << unix.CAP_SETGID
		sets[0].Permitted &^= 1 << unix.CAP_SETGID
		return unix.Capset(&header, &sets[0])
	})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid)); errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the thread is still there")
		}
	}
}

func tasks(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("list threads: %v, %v", paths, err)
	}
	return paths
}

// field reads a line of a thread's status; a thread that ended meanwhile has root's users and no capabilities.
func field(t *testing.T, task, name string) []string {
	t.Helper()
	text, err := os.ReadFile(task + "/status")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return map[string][]string{"Uid:": {"0", "0", "0", "0"}, "CapEff:": {"0"}, "CapPrm:": {"0"}}[name]
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Fields(rest)
		}
	}
	t.Fatalf("%s: no %s", task, name)
	return nil
}
