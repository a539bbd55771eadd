package logs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/fault"
	"upkeep/internal/panel"
	"upkeep/internal/privilege"
)

// roleVariable makes the test binary play a program instead of testing: see roles.
const roleVariable = "UPKEEP_LOGS_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		roles[role]()
		return
	}
	// The runtime opens two descriptors for its poller with the first pipe: they are no leak of a test.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	os.Exit(m.Run())
}

// program is the test binary in a role, with w as its output.
func program(t testing.TB, w *os.File, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stdout, cmd.Stderr = w, w
	return cmd
}

// testUser owns the homes of tests when root runs them. No such user need exist.
const testUser = 65534

func newSource(t testing.TB, id panel.ServiceID) Source {
	t.Helper()
	src := Source{Service: id, Account: panel.AccountID(id), Name: "web", Home: newHome(t)}
	if os.Geteuid() == 0 {
		src.OwnUser = true
		src.Cred = privilege.Credentials{UID: testUser, GID: testUser}
	}
	return src
}

func newHome(t testing.TB) string {
	t.Helper()
	home := t.TempDir()
	must(t, os.Chmod(filepath.Dir(home), 0o755))
	give(t, home)
	return home
}

// give makes a file the account's, as it is when the account itself made it.
func give(t testing.TB, path string) {
	t.Helper()
	if os.Geteuid() == 0 {
		must(t, os.Lchown(path, testUser, testUser))
	}
}

// start runs capture until the test ends, and then looks for what it left behind.
func start(t testing.TB, change ...func(*tuning)) *Logs {
	t.Helper()
	return startIn(t, t.TempDir(), change...)
}

func startIn(t testing.TB, state string, change ...func(*tuning)) *Logs {
	t.Helper()
	descriptors, goroutines := openDescriptors(t), runtime.NumGoroutine()
	l, err := New(Options{State: state})
	must(t, err)
	for _, f := range change {
		f(&l.tuning)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
		if got := openDescriptors(t); got > descriptors {
			t.Errorf("descriptors: got %d, want at most %d as before", got, descriptors)
		}
	})
	return l
}

func openDescriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(names)
}

// open opens the output of src and closes the writing end with the test, if it was not closed before.
func open(t testing.TB, l *Logs, src Source) *os.File {
	t.Helper()
	w, err := l.Open(t.Context(), src)
	must(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

func write(t testing.TB, w *os.File, text string) {
	t.Helper()
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// mark waits for the line, and for the worker that wrote it to leave the stream.
func mark(t testing.TB, l *Logs, src Source, line string) {
	t.Helper()
	must(t, l.Mark(t.Context(), src.Service, line))
	settled(t, l, src)
}

// settled waits until no worker has, or is to have, a turn with the stream.
func settled(t testing.TB, l *Logs, src Source) {
	t.Helper()
	eventually(t, "the worker leaves", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !l.streams[src.Service].queued
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return ""
	}
	must(t, err)
	return string(text)
}

func wantFile(t testing.TB, path, want string) {
	t.Helper()
	if got := read(t, path); got != want {
		t.Errorf("%s: got %d bytes %.200q, want %d bytes %.200q", path, len(got), got, len(want), want)
	}
}

// eventually waits for what another goroutine or process brings about.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func size(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}

// numbered is n lines that tell which they are, the last one without its newline when unfinished is set.
func numbered(from, n int, unfinished bool) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "line %07d\n", i)
	}
	text := b.String()
	if unfinished {
		text = strings.TrimSuffix(text, "\n")
	}
	return text
}

// wantNumbered checks that text is the lines 0, 1, 2 …, each once and in order.
func wantNumbered(t testing.TB, text []byte, n int) {
	t.Helper()
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for i, line := range lines {
		if !bytes.HasPrefix(line, fmt.Appendf(nil, "line %07d", i)) {
			t.Fatalf("line %d: got %.60q", i, line)
		}
	}
	if len(lines) != n {
		t.Errorf("lines: got %d, want %d", len(lines), n)
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: other owners, devices, mounts")
	}
}

// mountTemporary mounts a tmpfs of the given size at a folder and returns a function that changes its size.
func mountTemporary(t testing.TB, dir, options string) (resize func(options string)) {
	t.Helper()
	needRoot(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID, options); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() { fault.Unmount(t, dir) })
	return func(options string) {
		t.Helper()
		must(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_NOSUID, options))
	}
}
