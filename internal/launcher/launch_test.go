package launcher

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// ready starts a launcher that is waited for at the end of the test.
func ready(t *testing.T) *Launcher {
	t.Helper()
	l, err := Start(helper)
	if err != nil {
		t.Fatal(err)
	}
	fd := l.PidFD
	if fd < 0 {
		t.Skip("the kernel has no pidfds, which upkeep needs")
	}
	t.Cleanup(func() {
		l.closeSocket()
		if l.PidFD >= 0 { // else the test was faster
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it has ended, mostly
			l.await(t)
		}
	})
	return l
}

// await waits for the end of a launcher, or of the program that it became.
func (l *Launcher) await(t *testing.T) syscall.WaitStatus {
	t.Helper()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(l.PID, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(l.PidFD)
		l.PidFD = -1
		return status
	}
}

// program makes an executable file.
func program(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// become executes a spec and returns what the program has written until it ended.
func become(t *testing.T, s *Spec) (output string, status syscall.WaitStatus) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := ready(t)
	err = l.Execute(s, w)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), l.await(t)
}

func TestExecute(t *testing.T) {
	l := ready(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = l.Execute(&Spec{Directory: "/usr", Argv: []string{"sh", "-c", "echo $$ $A; pwd; umask; echo err >&2; exit 7"},
		Env: []string{"PATH=/usr/bin:/bin", "A=b"}, Umask: 0o027, Banner: "this is %d, 100 %"}, w)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("this is %d, 100 %%\n%[1]d b\n/usr\n0027\nerr\n", l.PID)
	if string(text) != want {
		t.Errorf("output %q, want %q", text, want)
	}
	if status := l.await(t); status.ExitStatus() != 7 {
		t.Errorf("exit status %d", status.ExitStatus())
	}
}

// The program is the leader of its session and has three descriptors.
func TestExecuteIsolated(t *testing.T) {
	inherited, err := unix.FcntlInt(0, unix.F_DUPFD, 700) // a descriptor that somebody forgot to close on exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	out, _ := become(t, &Spec{Directory: "/", Argv: []string{"/bin/sh", "-c", "ls /proc/$$/fd; cut -d' ' -f1,6 /proc/$$/stat"},
		Env: []string{"PATH=/usr/bin:/bin"}})
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := len(lines) - 1
	if got := strings.Join(lines[:last], " "); got != "0 1 2" {
		t.Errorf("descriptors %s", got)
	}
	if pid, session, _ := strings.Cut(lines[last], " "); pid != session {
		t.Errorf("process %s is in session %s", pid, session)
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	plain := program(t, dir, "plain", "#!/bin/sh\n", 0o644)
	garbage := program(t, dir, "garbage", "neither a script nor a program", 0o755)
	lost := program(t, dir, "lost", "#!/nowhere/interpreter\n", 0o755)
	windows := program(t, dir, "windows", "#!/bin/sh\r\necho\r\n", 0o755)
	huge := "A=" + strings.Repeat("x", 200<<10)
	sh := []string{"/bin/sh", "-c", "exit"}
	for _, c := range []struct {
		name string
		spec Spec
		want Failure
	}{
		{"no directory", Spec{Directory: dir + "/none", Argv: sh}, Failure{panel.StepDirectory, int(unix.ENOENT), dir + "/none"}},
		{"a file as directory", Spec{Directory: plain, Argv: sh}, Failure{panel.StepDirectory, int(unix.ENOTDIR), plain}},
		{"no program in PATH", Spec{Argv: []string{"none"}, Env: []string{"PATH=" + dir}}, Failure{panel.StepLookup, int(unix.ENOENT), "none"}},
		{"no PATH", Spec{Argv: []string{"sh"}}, Failure{panel.StepLookup, int(unix.ENOENT), "sh"}},
		{"no such file", Spec{Argv: []string{dir + "/none"}}, Failure{panel.StepLookup, int(unix.ENOENT), dir + "/none"}},
		{"not executable", Spec{Argv: []string{plain}}, Failure{panel.StepLookup, int(unix.EACCES), plain}},
		{"not executable in PATH", Spec{Argv: []string{"plain"}, Env: []string{"PATH=" + dir}}, Failure{panel.StepLookup, int(unix.EACCES), "plain"}},
		{"a directory", Spec{Argv: []string{dir}}, Failure{panel.StepLookup, int(unix.EACCES), dir}},
		{"no program at all", Spec{Argv: []string{garbage}}, Failure{panel.StepExecute, int(unix.ENOEXEC), garbage}},
		{"no interpreter", Spec{Argv: []string{lost}}, Failure{panel.StepExecute, int(unix.ENOENT), lost}},
		{"Windows line ends", Spec{Argv: []string{windows}}, Failure{panel.StepExecute, int(unix.ENOENT), windows}},
		{"too long a variable", Spec{Argv: sh, Env: []string{huge}}, Failure{panel.StepExecute, int(unix.E2BIG), "/bin/sh"}},
		{"too long altogether", Spec{Argv: sh, Env: []string{huge, huge, huge, huge, huge, huge}}, Failure{panel.StepExecute, int(unix.E2BIG), "/bin/sh"}},
		{"no control group", Spec{Argv: sh, Cgroups: []string{dir + "/cgroup.procs"}}, Failure{panel.StepCgroup, int(unix.ENOENT), dir + "/cgroup.procs"}},
		// More groups than NGROUPS_MAX for root, no right to change any for others.
		{"no identity", Spec{Argv: sh, SetUser: true, UID: 65534, GID: 65534, Groups: make([]int, 65537)},
			Failure{panel.StepIdentity, int(refusal()), "groups"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.spec.Directory == "" {
				c.spec.Directory = dir
			}
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			l := ready(t)
			err = l.Execute(&c.spec, null)
			var got *Failure
			if !errors.As(err, &got) || *got != c.want {
				t.Errorf("%v, want %v", err, &c.want)
			}
			if l.await(t); l.socket != -1 {
				t.Error("the socket is open")
			}
		})
	}
}

// refusal is what setgroups answers to 65,537 groups.
func refusal() syscall.Errno {
	if os.Geteuid() == 0 {
		return unix.EINVAL
	}
	return unix.EPERM
}

func TestLookup(t *testing.T) {
	first, second, third := t.TempDir(), t.TempDir(), t.TempDir()
	program(t, first, "x", "", 0o644)
	if err := os.Mkdir(filepath.Join(second, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	program(t, third, "x", "#!/bin/sh\necho third\n", 0o755)
	program(t, first, "y", "#!/bin/sh\necho here\n", 0o755)
	if err := os.Mkdir(filepath.Join(first, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program(t, filepath.Join(first, "bin"), "z", "#!/bin/sh\necho below\n", 0o755)
	for _, c := range []struct{ path, name, want string }{
		{first + ":" + second + ":" + third, "x", "third\n"},
		{third + "::" + second, "y", "here\n"}, // an empty element is the working directory
		{third, "./y", "here\n"},
		{"bin:/usr/bin", "z", "below\n"}, // a relative one starts from there, too
		{"../" + filepath.Base(first) + "/bin", "z", "below\n"},
	} {
		out, _ := become(t, &Spec{Directory: first, Argv: []string{c.name}, Env: []string{"PATH=" + c.path}})
		if out != c.want {
			t.Errorf("%s in %s: %q, want %q", c.name, c.path, out, c.want)
		}
	}
}

// A program starts also when nobody reads what was written before it.
func TestFullOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(w.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 4096))
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	l := ready(t)
	err = l.Execute(&Spec{Directory: "/", Argv: []string{"/bin/sh", "-c", "exit 3"}, Banner: "a line"}, w)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if status := l.await(t); status.ExitStatus() != 3 {
		t.Errorf("exit status %d", status.ExitStatus())
	}
}

func TestDismiss(t *testing.T) {
	l, err := Start(helper)
	if err != nil {
		t.Fatal(err)
	}
	l.Dismiss()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(l.PID, &status, 0, nil); err != nil || !status.Exited() || status.ExitStatus() != 0 {
		t.Errorf("status %v, %v", status, err)
	}
	l.Dismiss() // is harmless
}

// A daemon that dies after it said everything, and before the launcher has heard it, starts nothing.
func TestDaemonDies(t *testing.T) {
	for _, c := range []struct {
		name string
		part func([]byte) []byte // that the daemon says
	}{
		{"after the spec", func(m []byte) []byte { return m }},
		{"in the middle of the spec", func(m []byte) []byte { return m[:len(m)/2] }},
		{"in the length", func(m []byte) []byte { return m[:2] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := ready(t)
			l.stop(t)
			message, err := (&Spec{Directory: dir, Argv: []string{"/bin/sh", "-c", "echo > started"}}).encode()
			if err != nil {
				t.Fatal(err)
			}
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			if err := l.send(c.part(message), null); err != nil {
				t.Fatal(err)
			}
			l.closeSocket()
			if err := unix.PidfdSendSignal(l.PidFD, unix.SIGCONT, nil, 0); err != nil {
				t.Fatal(err)
			}
			if status := l.await(t); status.ExitStatus() != ExitFailed {
				t.Errorf("exit status %d, want %d", status.ExitStatus(), ExitFailed)
			}
			if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
				t.Error("the program was executed")
			}
		})
	}
}

// stop stops a launcher and waits until it stands still.
func (l *Launcher) stop(t *testing.T) {
	t.Helper()
	if err := unix.PidfdSendSignal(l.PidFD, unix.SIGSTOP, nil, 0); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(l.PID, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("status %v, %v", status, err)
	}
}

// A launcher that is killed while it is spoken to is an error, not a success.
func TestLauncherDies(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	l := ready(t)
	l.stop(t)
	socket, err := unix.Dup(l.socket) // l belongs to the goroutine below
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	answer := make(chan error, 1)
	go func() { answer <- l.Execute(&Spec{Directory: "/", Argv: []string{"/bin/true"}}, null) }()
	untilSent(t, socket)
	if err := unix.PidfdSendSignal(l.PidFD, unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("killed before it could read: %v", err)
	}
}

// untilSent waits until bytes stand in the socket that nobody has read.
func untilSent(t *testing.T, socket int) {
	t.Helper()
	for range 10_000 {
		if n, err := unix.IoctlGetInt(socket, unix.SIOCOUTQ); err == nil && n > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("nothing was sent")
}

// A launcher that dies on its way to the program, as one that gets no thread or no memory does, is not taken for the
// program.
func TestLauncherDiesOnItsWay(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	// Room for one page: so the launcher begins to write a banner that is longer, and waits.
	const page = 4096
	if size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 2*page); err != nil || size != 2*page {
		t.Skip("needs pages of 4 KiB: ", size, err)
	}
	if _, err := w.Write(make([]byte, page)); err != nil {
		t.Fatal(err)
	}
	l := ready(t)
	answer := make(chan error, 1)
	go func() {
		answer <- l.Execute(&Spec{Directory: "/", Argv: []string{"/bin/true"}, Banner: strings.Repeat("x", 3*page)}, w)
	}()
	for {
		n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		if n == 2*page {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := unix.PidfdSendSignal(l.PidFD, unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
}
