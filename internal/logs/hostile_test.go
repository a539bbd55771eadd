package logs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// immutable is FS_IMMUTABLE_FL of <linux/fs.h>, which x/sys does not have.
const immutable = 0x10

// setImmutable changes an attribute of a file, as chattr does. It skips the test where there is no such thing.
func setImmutable(t *testing.T, path string, flag int) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	old, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, old&^immutable|flag)
	}
	if err != nil {
		t.Skip("needs root, and a file system with attributes of files: ", err)
	}
}

// Something happens to the log, or to the way to it, while a program writes: what cannot be kept there is kept by
// upkeep, the page is told why, and the log goes on as soon as it can.
func TestHomeTurnsBad(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(t *testing.T, src Source)
		repair func(t *testing.T, src Source)
		said   string
	}{
		{name: "log made immutable", said: "The log file ~/admin/logs/services/web.log cannot be used (operation not permitted)",
			spoil:  func(t *testing.T, src Source) { setImmutable(t, src.path(), immutable) },
			repair: func(t *testing.T, src Source) { setImmutable(t, src.path(), 0) }},
		{name: "log given away", said: "The log file ~/admin/logs/services/web.log is not the account's",
			spoil:  func(t *testing.T, src Source) { must(t, os.Chown(src.path(), 12345, 12345)) },
			repair: func(t *testing.T, src Source) { give(t, src.path()) }},
		{name: "folder closed", said: "The log file ~/admin/logs/services/web.log cannot be used (permission denied)",
			spoil:  func(t *testing.T, src Source) { must(t, os.Chmod(filepath.Dir(src.path()), 0)) },
			repair: func(t *testing.T, src Source) { must(t, os.Chmod(filepath.Dir(src.path()), 0o750)) }},
		{name: "home closed", said: "The log folder ~/admin cannot be used (permission denied)",
			spoil:  func(t *testing.T, src Source) { must(t, os.Chmod(src.Home, 0)) },
			repair: func(t *testing.T, src Source) { must(t, os.Chmod(src.Home, 0o755)) }},
		{name: "home gone", said: "The home folder is missing",
			spoil:  func(t *testing.T, src Source) { must(t, os.Rename(src.Home, src.Home+".away")) },
			repair: func(t *testing.T, src Source) { must(t, os.Rename(src.Home+".away", src.Home)) }},
		{name: "home replaced by a file", said: "The home folder ~ cannot be used (not a directory)",
			spoil: func(t *testing.T, src Source) {
				must(t, os.Rename(src.Home, src.Home+".away"))
				must(t, os.WriteFile(src.Home, nil, 0o666))
			},
			repair: func(t *testing.T, src Source) {
				must(t, os.Remove(src.Home))
				must(t, os.Rename(src.Home+".away", src.Home))
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			needRoot(t)
			l := start(t, asked, always, func(u *tuning) { u.retryHome = 0 })
			src := newSource(t, 1)
			w := open(t, l, src)
			write(t, w, "a\n")
			mark(t, l, src, "x")
			c.spoil(t, src)
			repaired := false
			t.Cleanup(func() {
				if !repaired {
					c.repair(t, src)
				}
			})
			write(t, w, "b\n")
			mark(t, l, src, "y")
			wantFile(t, l.fallbackPath(1), "b\nupkeep: y\n")
			if got := l.Trouble(1); !strings.HasPrefix(got, c.said) || !strings.Contains(got, "output goes to upkeep's own folder until ") {
				t.Errorf("Trouble: got %q, want %q and where output goes", got, c.said)
			}
			wantExtract(t, l, src, "b", "upkeep: y")
			c.repair(t, src)
			repaired = true
			write(t, w, "c\n")
			mark(t, l, src, "z")
			wantFile(t, src.path(), "a\nupkeep: x\nc\nupkeep: z\n")
			if got := l.Trouble(1); got != "" {
				t.Errorf("Trouble after the repair: got %q", got)
			}
		})
	}
}

// The file system of a home goes away while a program writes, and comes back.
func TestHomeUnmounted(t *testing.T) {
	src := newSource(t, 1)
	must(t, os.Chown(src.Home, 0, 0)) // what is below a mount is root's
	must(t, os.Chmod(src.Home, 0o755))
	needRoot(t)
	mount := func() {
		if err := unix.Mount("tmpfs", src.Home, "tmpfs", unix.MS_NOSUID, "size=1m"); err != nil {
			t.Skipf("needs the right to mount: %v", err)
		}
		give(t, src.Home)
	}
	mount()
	t.Cleanup(func() { must(t, unix.Unmount(src.Home, unix.MNT_DETACH)) })
	l := start(t, asked, always, func(u *tuning) { u.retryHome = 0 })
	w := open(t, l, src)
	write(t, w, "a\n")
	mark(t, l, src, "x")
	must(t, unix.Unmount(src.Home, unix.MNT_DETACH)) // as upkeep has the log open
	write(t, w, "b\n")
	mark(t, l, src, "y")
	wantFile(t, l.fallbackPath(1), "b\nupkeep: y\n")
	if got, want := l.Trouble(1), "The log folder ~/admin cannot be used (permission denied)"; !strings.HasPrefix(got, want) {
		t.Errorf("Trouble: got %q, want %q", got, want)
	}
	mount()
	write(t, w, "c\n")
	mark(t, l, src, "z")
	wantFile(t, src.path(), "c\nupkeep: z\n")
	if got := l.Trouble(1); got != "" {
		t.Errorf("Trouble with the home back: got %q", got)
	}
}

// Another process of the same user opens the FIFO through /proc, fills it, makes it small, reads from it, and makes
// what it holds not wait. It harms its own service's log, and nobody else.
func TestOutputTakenByAnotherProcess(t *testing.T) {
	l := start(t)
	src, other := newSource(t, 1), newSource(t, 2)
	w, ow := open(t, l, src), open(t, l, other)
	service := exec.Command("/bin/sleep", "1000")
	service.Stdout, service.Stderr = w, w
	outsider := exec.Command("/bin/sh", "-c", `exec 3<>"$0"
head -c 3000000 /dev/zero | tr '\000' x >&3 &
i=0; while [ $i -lt 20 ]; do dd if="$0" iflag=nonblock of=/dev/null bs=4096 count=1 2>/dev/null; i=$((i+1)); done
wait; echo outsider >&3`)
	if src.OwnUser {
		account := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testUser, Gid: testUser}}
		service.SysProcAttr, outsider.SysProcAttr = account, account
	}
	must(t, service.Start())
	t.Cleanup(func() {
		must(t, service.Process.Kill())
		_ = service.Wait() // of the signal
	})
	outsider.Args[0] = "sh"
	outsider.Args = append(outsider.Args, fmt.Sprintf("/proc/%d/fd/1", service.Process.Pid))
	must(t, outsider.Start())
	write(t, ow, "b\n")
	mark(t, l, other, "x")
	wantFile(t, other.path(), "b\nupkeep: x\n")
	must(t, outsider.Wait())
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil && err != unix.EBUSY {
		t.Fatal(err)
	}
	write(t, w, "service\n")
	mark(t, l, src, "y")
	text := read(t, src.path())
	if !strings.HasSuffix(text, "outsider\nservice\nupkeep: y\n") {
		t.Errorf("the end of the log is %q", text[max(0, len(text)-100):])
	}
	if n := strings.Count(text, "x"); n > 3_000_000 || n < 3_000_000-20*4096 {
		t.Errorf("%d bytes of the outsider, want what it has not read again", n)
	}
}

// A program that closes its output costs nothing.
func TestClosedOutput(t *testing.T) {
	l := start(t)
	src, other := newSource(t, 1), newSource(t, 2)
	w, ow := open(t, l, src), open(t, l, other)
	cmd := exec.Command("/bin/sh", "-c", "echo a; exec >&- 2>&-; read x")
	cmd.Stdout, cmd.Stderr = w, w
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	must(t, w.Close())
	eventually(t, "the output is there", func() bool { return read(t, src.path()) == "a\n" })
	wantFewWakes(t, l, other, ow, 20)
	must(t, in.Close())
	_ = cmd.Wait() // read has met the end
}

// What cannot be brought about here is at least said right.
func TestSentences(t *testing.T) {
	quota := at(unix.EDQUOT, "log file", "~/admin/logs/services/web.log")
	for _, c := range []struct {
		home, own error
		want      string
	}{
		{nil, nil, ""},
		{quota, nil, "The account's disk quota is used up; output goes to upkeep's own folder until there is space again."},
		{quota, unix.ENOSPC, "Neither the log file (disk quota exceeded) nor upkeep's own folder (no space left on device) takes output; " +
			"it waits, and so may the program, until one of them does."},
		{unix.EIO, nil, "The log file cannot be written (input/output error); output goes to upkeep's own folder until it can."},
		{at(unix.ESTALE, "log folder", "~/admin"), nil, "The log folder ~/admin cannot be used (stale file handle); output goes to upkeep's own folder until it can."},
	} {
		if got := sentence(c.home, c.own); got != c.want {
			t.Errorf("%v, %v: got %q, want %q", c.home, c.own, got, c.want)
		}
	}
}
