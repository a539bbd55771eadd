package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"upkeep/internal/panel"
)

// Client is the daemon's side of its keeper. When the keeper dies, the client starts another one and has it filled
// again. Its methods may be called by several goroutines. A nil Client is one without a keeper, and does nothing.
type Client struct {
	dir, helper string
	log         *slog.Logger

	mu      sync.Mutex // guards what follows, and keeps messages in order
	socket  int        // -1 while there is no keeper
	dirty   bool       // a message was lost: the keeper has to be filled anew
	leaving bool
	beating bool
	isReady bool
	refill  []func()

	asking  sync.Mutex // one list at a time
	answers chan message
	replace chan struct{}
	stopAll chan struct{}
}

// Join connects to the keeper of a data directory as its daemon, and starts a keeper when there is none. The caller
// holds the directory's lock, so that it is the only daemon. helper is the path of upkeep-helper.
func Join(dir, helper string, log *slog.Logger) (*Client, error) {
	c := &Client{dir: dir, helper: helper, log: log, socket: -1,
		answers: make(chan message, 8), replace: make(chan struct{}, 1), stopAll: make(chan struct{}, 1)}
	socket, err := c.join()
	if errors.Is(err, ErrNone) {
		socket, err = c.startKeeper()
	}
	if err != nil {
		return nil, fmt.Errorf("join the keeper: %w", err)
	}
	c.socket = socket
	go c.listen(socket)
	return c, nil
}

const (
	// joinTime bounds the wait for a keeper to come up, or to notice that the daemon before has died.
	joinTime = 10 * time.Second
	joinStep = 5 * time.Millisecond
	// answerTime bounds the wait for the keeper's answer to a question; it takes milliseconds.
	answerTime = 5 * time.Second
)

// join connects, and says which version this is.
func (c *Client) join() (int, error) {
	for until := time.Now().Add(joinTime); ; time.Sleep(joinStep) {
		socket, err := connect(c.dir)
		if err != nil {
			return -1, err
		}
		err = c.greet(socket)
		if err == nil {
			return socket, nil
		}
		unix.Close(socket)
		if !errors.Is(err, panel.ErrBusy) || time.Now().After(until) {
			return -1, err
		}
	}
}

func (c *Client) greet(socket int) error {
	if err := limitSending(socket, sendTime); err != nil {
		return err
	}
	if err := send(socket, message{verb: verbJoin, arg: version}); err != nil {
		return err
	}
	m, err := newReceiver(socket).next()
	m.closeFDs()
	switch {
	case err == io.EOF:
		return ErrNone
	case err != nil:
		return err
	case m.verb == verbBusy: // its connection is about to be closed
		return fmt.Errorf("daemon %s: %w", m.arg, panel.ErrBusy)
	case m.verb != verbWelcome || m.arg != version:
		c.log.Info("the keeper is of another version and is replaced", "version", m.arg)
		if err := send(socket, message{verb: verbQuit}); err != nil {
			return err
		}
		return ErrNone
	}
	return nil
}

// startKeeper starts a keeper for this daemon, with the command line that the daemon was started with.
func (c *Client) startKeeper() (int, error) {
	argv := append([]string{c.helper, VerbAdopt, c.dir}, os.Args...)
	pid, err := syscall.ForkExec(c.helper, argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return -1, fmt.Errorf("start %s: %w", c.helper, err)
	}
	for until := time.Now().Add(joinTime); ; time.Sleep(joinStep) {
		socket, err := c.join()
		if err == nil {
			c.log.Info("started a keeper", "pid", pid)
			return socket, nil
		}
		if !errors.Is(err, ErrNone) || time.Now().After(until) {
			return -1, err
		}
	}
}

// listen takes the keeper's messages until the keeper is gone, and then sees to a new one.
func (c *Client) listen(socket int) {
	packets := newReceiver(socket)
	for {
		m, err := packets.next()
		if err != nil {
			break
		}
		switch m.verb {
		case verbReplace:
			notify(c.replace)
		case verbStopAll:
			notify(c.stopAll)
		default:
			c.answers <- m
		}
	}
	c.mu.Lock()
	unix.Close(socket)
	c.socket = -1
	leaving := c.leaving
	c.mu.Unlock()
	c.answers <- message{verb: verbEnd}
	if !leaving {
		c.renew()
	}
}

func notify(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// renewStep is the wait between two tries to start a keeper, when processes or memory are short.
const renewStep = time.Second

// renew starts keepers until one is there, and fills it.
func (c *Client) renew() {
	c.log.Warn("the keeper has died; a new one is started")
	for {
		socket, err := c.startKeeper()
		c.mu.Lock()
		if err == nil && !c.leaving {
			c.socket = socket
			c.mu.Unlock()
			go c.listen(socket)
			c.fill()
			return
		}
		leaving := c.leaving
		c.mu.Unlock()
		if leaving {
			if err == nil {
				unix.Close(socket)
			}
			return
		}
		c.log.Error("start a keeper", "err", err)
		time.Sleep(renewStep)
	}
}

// fill puts everything anew.
func (c *Client) fill() {
	c.mu.Lock()
	c.dirty = false
	refill, ready, beating := c.refill, c.isReady, c.beating
	c.mu.Unlock()
	c.send(verbClear, "")
	for _, f := range refill {
		f()
	}
	if ready {
		c.send(verbReady, "")
	}
	if beating {
		c.send(verbBeat, "")
	}
}

// send sends a message as far as there is a keeper. A keeper that does not read for a second is filled anew later.
func (c *Client) send(verb, arg string, fds ...int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket < 0 || c.dirty && (verb == verbPut || verb == verbDrop) { // filled anew anyhow
		return
	}
	if err := send(c.socket, message{verb: verb, arg: arg, fds: fds}); err != nil && !c.dirty {
		c.dirty = true
		c.log.Warn("the keeper does not listen", "err", err)
	}
}

// Put has the keeper hold a copy of fd under a name, in place of what it held there. fd stays the caller's.
func (c *Client) Put(name string, fd int) {
	if c != nil && fd >= 0 {
		c.send(verbPut, name, fd)
	}
}

// Drop has the keeper let go of what it holds under a name, and forget the exit of its process.
func (c *Client) Drop(name string) {
	if c != nil {
		c.send(verbDrop, name)
	}
}

// OnRefill registers f to put everything that its caller holds, whenever a keeper has to be filled anew.
func (c *Client) OnRefill(f func()) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refill = append(c.refill, f)
}

// Held is what a keeper holds.
type Held struct {
	FDs   map[string]int // the receiver's to close
	Exits map[string]Exit
}

// List returns copies of what the keeper holds under names that begin with prefix, and what it knows of the ends of
// those processes. Without a keeper that is nothing.
func (c *Client) List(prefix string) Held {
	h := Held{FDs: map[string]int{}, Exits: map[string]Exit{}}
	if c == nil {
		return h
	}
	c.asking.Lock()
	defer c.asking.Unlock()
	c.mu.Lock()
	gone := c.socket < 0
	c.mu.Unlock()
	if gone {
		return h
	}
	c.send(verbList, prefix)
	limit := time.After(answerTime)
	for {
		select {
		case m := <-c.answers:
			if m.verb == verbEnd {
				return h
			}
			if err := h.add(m); err != nil {
				c.log.Error("what the keeper holds", "err", err)
			}
		case <-limit:
			c.log.Error("the keeper does not answer")
			return h
		}
	}
}

func (h *Held) add(m message) error {
	if m.verb == verbExit {
		name, e, err := decodeExit(m.arg)
		if err == nil {
			h.Exits[name] = e
		}
		return err
	}
	names := strings.Fields(m.arg)
	if m.verb != verbHeld || len(names) != len(m.fds) {
		m.closeFDs()
		return fmt.Errorf("keeper: malformed answer %q", m.verb)
	}
	for i, name := range names {
		h.FDs[name] = m.fds[i]
	}
	return nil
}

// Beat tells the keeper once a second that this daemon moves output, until ctx ends.
func (c *Client) Beat(ctx context.Context) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.beating = true
	c.mu.Unlock()
	ticker := time.NewTicker(beatTime)
	defer ticker.Stop()
	for {
		c.mu.Lock()
		dirty := c.dirty
		c.mu.Unlock()
		if dirty {
			c.fill()
		}
		c.send(verbBeat, "")
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Ready tells the keeper that this daemon has taken over.
func (c *Client) Ready() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.isReady = true
	c.mu.Unlock()
	c.send(verbReady, "")
}

// Leave tells the keeper that this daemon ends because it was asked to, and that the keeper shall end with it.
func (c *Client) Leave() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.leaving = true
	c.mu.Unlock()
	c.send(verbLeave, "")
}

// Replaced gets a value when the daemon has to make room for another binary. It is nil without a keeper.
func (c *Client) Replaced() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.replace
}

// StopAll gets a value when services have to be stopped and upkeep ended. It is nil without a keeper.
func (c *Client) StopAll() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.stopAll
}
