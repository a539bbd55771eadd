package keeper

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// alone makes the test process a daemon that starts its own keeper.
func alone(t testing.TB, dir string) (*Client, *run) {
	t.Helper()
	c, err := Join(dir, os.Args[0], slog.New(slog.DiscardHandler))
	must(t, err)
	r := &run{t: t, dir: dir}
	r.plan("plan", "exit 1") // should the keeper ever start one
	t.Cleanup(func() { r.endAdopted(c) })
	return c, r
}

// endAdopted ends the keeper that the client has started.
func (r *run) endAdopted(c *Client) {
	pid := r.number("keeper")
	c.Leave()
	die(c)
	eventually(r.t, "the keeper ends with its daemon", func() bool {
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // it is the test's child
		return !isOwn(pid, r.dir)
	})
}

func (r *run) keeperPID() (pid int) {
	r.t.Helper()
	eventually(r.t, "a keeper is there", func() bool { pid = r.number("keeper"); return pid != 0 })
	return pid
}

// A daemon without a keeper starts one. When that is killed, it starts another, and everything is there again.
func TestKeeperIsKilled(t *testing.T) {
	c, r := alone(t, t.TempDir())
	const n = 300
	fds := make([]int, n)
	for i := range fds {
		fds[i] = event(t, i+1)
		defer unix.Close(fds[i])
		c.Put(FIFO(int64(i)), fds[i])
	}
	c.OnRefill(func() {
		for i, fd := range fds {
			c.Put(FIFO(int64(i)), fd)
		}
	})
	c.Ready()
	before := openFDs(t, os.Getpid())
	for range 5 {
		pid := r.keeperPID()
		must(t, unix.Kill(pid, unix.SIGKILL))
		eventually(t, "another keeper holds the same", func() bool {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			return r.number("keeper") != pid && r.number("held") == n && r.value("state") == "ready"
		})
		held := c.List(fifoPrefix)
		for i := range n {
			if fd, ok := held.FDs[FIFO(int64(i))]; !ok || valueOf(t, fd) != i+1 {
				t.Fatalf("%s is not what was put", FIFO(int64(i)))
			}
		}
		held.close()
	}
	if got := openFDs(t, os.Getpid()); got > before {
		t.Errorf("descriptors of the daemon: %d, want %d", got, before)
	}
}

// Lists that are under way when the keeper dies, or are never answered, do not spoil those that follow.
func TestListsWhileKeepersDie(t *testing.T) {
	c, r := alone(t, t.TempDir())
	fd := event(t, 5)
	defer unix.Close(fd)
	c.OnRefill(func() { c.Put("x", fd); c.Put("y", fd) })
	c.Put("x", fd)
	c.Put("y", fd)
	before := openFDs(t, os.Getpid())
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				held := c.List("x")
				if len(held.FDs) > 1 || len(held.FDs) == 1 && held.FDs["x"] == 0 {
					t.Errorf("list of x: %v", held.FDs)
				}
				held.close()
			}
		})
	}
	for range 5 {
		pid := r.keeperPID()
		must(t, unix.Kill(pid, unix.SIGKILL))
		eventually(t, "another keeper is there", func() bool {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			return r.number("keeper") != pid && r.number("held") == 2
		})
	}
	close(done)
	group.Wait()
	held := c.List("")
	if len(held.FDs) != 2 {
		t.Errorf("afterwards: %v, want x and y", held.FDs)
	}
	held.close()
	eventually(t, "no descriptor is left of a list", func() bool { return openFDs(t, os.Getpid()) <= before })
}

// A daemon that leaves while its new keeper comes up takes that one with it, and is not started again.
func TestLeaveWhileAKeeperComesUp(t *testing.T) {
	for range 10 {
		dir := t.TempDir()
		c, err := Join(dir, os.Args[0], slog.New(slog.DiscardHandler))
		must(t, err)
		r := &run{t: t, dir: dir}
		r.plan("plan", "idle")
		pid := r.keeperPID()
		must(t, unix.Kill(pid, unix.SIGKILL))
		eventually(t, "the daemon has noticed", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.socket < 0
		})
		c.Leave()
		eventually(t, "no keeper is left", func() bool {
			_, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			return err == unix.ECHILD
		})
		if n := len(r.starts()); n != 0 {
			t.Fatalf("the daemon was started again %d times", n)
		}
	}
}

// A daemon that dies while its new keeper comes up is started again.
func TestDeathWhileAKeeperComesUp(t *testing.T) {
	r := start(t, "serve")
	pid := r.ready(0)
	for range 5 {
		keeper := r.number("keeper")
		must(t, unix.Kill(keeper, unix.SIGKILL))
		eventually(t, "a new keeper begins", func() bool {
			text, err := os.ReadFile(filepath.Join(r.dir, LockFile))
			return err == nil && strings.TrimSpace(string(text)) != itoa(keeper)
		})
		must(t, unix.Kill(pid, unix.SIGKILL))
		pid = r.ready(pid)
	}
}

// A keeper that stands still holds up the daemon for a moment, once, and is filled anew when it goes on.
func TestKeeperStandsStill(t *testing.T) {
	c, r := alone(t, t.TempDir())
	ctx := patient(t)
	fds := []int{event(t, 1), event(t, 2)}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	c.OnRefill(func() { c.Put("x", fds[1]) })
	c.Put("x", fds[0])
	c.Put("lost", fds[0])
	c.Ready()
	keeper := r.keeperPID()
	freeze(t, keeper)
	defer unix.Kill(keeper, unix.SIGCONT)
	begin := time.Now()
	for range 1000 { // more than the socket takes
		c.Put("more", fds[0])
	}
	c.Drop("lost")
	if held := c.List(""); len(held.FDs) != 0 {
		t.Errorf("list: %v, want nothing", held.FDs)
	}
	if waited := time.Since(begin); waited > 2*sendTime {
		t.Errorf("a keeper that stands still held up the daemon for %v, want at most %v", waited, sendTime)
	}
	go c.Beat(ctx)
	must(t, unix.Kill(keeper, unix.SIGCONT))
	var held Held
	eventually(t, "it was filled anew", func() bool {
		held.close()
		held = c.List("")
		return len(held.FDs) == 1
	})
	defer held.close()
	if got := valueOf(t, held.FDs["x"]); got != 2 || r.value("state") != "ready" {
		t.Errorf("x is %d and the state %s, want what was put anew, 2, and ready", got, r.value("state"))
	}
}

// A daemon that meets a keeper of another version has it replaced.
func TestOtherVersion(t *testing.T) {
	r := start(t, "serve")
	r.ready(0)
	former := r.cmd.Process.Pid
	// The daemon dies; who comes next speaks another language.
	r.plan("plan", "idle")
	must(t, unix.Kill(r.number("daemon"), unix.SIGKILL))
	eventually(t, "the daemon is gone", func() bool { return len(r.starts()) == 2 && r.value("daemon") == itoa(r.starts()[1].pid) })
	socket := connected(t, r)
	eventually(t, "it is welcome", func() bool {
		must(t, send(socket, message{verb: verbJoin, arg: "99"}))
		m, err := newReceiver(socket).next()
		must(t, err)
		return m.verb == verbWelcome && m.arg == version
	})
	must(t, send(socket, message{verb: verbQuit}))
	defer unix.Close(socket)
	c, _ := alone(t, r.dir)
	if got := r.keeperPID(); got == former {
		t.Errorf("keeper: still %d", got)
	}
	held := c.List("")
	held.close()
	r.status()
}
