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
	"sync/atomic"
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

	mu      sync.Mutex    // guards what follows, and keeps messages in order
	socket  int           // -1 while there is no keeper
	coming  int           // connection to a keeper that is being started; -1 when none is
	gone    chan struct{} // closed when the keeper of socket is gone
	dirty   bool          // a message was lost: the keeper has to be filled anew
	leaving bool
	beating bool
	isReady bool
	refill  []func()

	asking   sync.Mutex // one list at a time
	asked    int        // lists so far; guarded by asking
	question atomic.Pointer[question]
	replace  chan struct{}
	stopAll  chan struct{}
}

// question is a list that is waited for. Its answers carry its number: those to one that was given up may still come.
type question struct {
	id      string
	answers chan message
	over    chan struct{} // closed when nobody waits any more
}

// Join connects to the keeper of a data directory as its daemon, and starts a keeper when there is none. The caller
// holds the directory's lock, so that it is the only daemon. helper is the path of upkeep-helper.
func Join(dir, helper string, log *slog.Logger) (*Client, error) {
	c := &Client{dir: dir, helper: helper, log: log, socket: -1, coming: -1,
		replace: make(chan struct{}, 1), stopAll: make(chan struct{}, 1)}
	socket, err := c.join()
	if errors.Is(err, ErrNone) {
		socket, err = c.startKeeper()
	}
	if err != nil {
		return nil, fmt.Errorf("join the keeper: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined(socket)
	return c, nil
}

// joined makes socket the connection to the keeper. The caller holds mu.
func (c *Client) joined(socket int) {
	c.socket, c.gone = socket, make(chan struct{})
	go c.listen(socket, c.gone)
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

// greet says to the keeper who this is, and waits for its welcome.
func (c *Client) greet(socket int) error {
	if err := hello(socket); err != nil {
		return err
	}
	return c.welcomed(socket)
}

func hello(socket int) error {
	err := errors.Join(limitSending(socket, sendTime), limitReceiving(socket, joinTime))
	if err == nil {
		err = send(socket, message{verb: verbJoin, arg: version})
	}
	return err
}

func (c *Client) welcomed(socket int) error {
	m, err := newReceiver(socket).next()
	m.closeFDs()
	switch {
	case err == io.EOF:
		return ErrNone
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("the keeper did not answer within %s", joinTime)
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
	return limitReceiving(socket, 0)
}

// startKeeper starts a keeper for this daemon, with the command line that the daemon was started with, and a
// connection that is there from its first moment: should the daemon end before the keeper has come up, that one
// still learns of it, and whether the end was asked for.
func (c *Client) startKeeper() (socket int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socketpair", err)
	}
	argv := append([]string{c.helper, VerbAdopt, c.dir}, os.Args...)
	pid, err := syscall.ForkExec(c.helper, argv, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2, adoptedFD: uintptr(pair[1])},
	})
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
		return -1, fmt.Errorf("start %s: %w", c.helper, err)
	}
	err = c.introduce(pair[0])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coming = -1
	if errors.Is(err, ErrNone) {
		err = errors.New("the keeper has ended at once")
	}
	if err != nil {
		unix.Close(pair[0])
		return -1, err
	}
	c.log.Info("started a keeper", "pid", pid)
	return pair[0], nil
}

// introduce is greet for a keeper that is being started, which must learn too when the daemon leaves meanwhile.
func (c *Client) introduce(socket int) error {
	c.mu.Lock()
	err := hello(socket)
	if err == nil && c.leaving {
		err = send(socket, message{verb: verbLeave})
	}
	c.coming = socket
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.welcomed(socket)
}

// listen takes the keeper's messages until the keeper is gone, and then sees to a new one.
func (c *Client) listen(socket int, gone chan<- struct{}) {
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
			c.answer(m)
		}
	}
	close(gone)
	c.mu.Lock()
	unix.Close(socket)
	c.socket = -1
	leaving := c.leaving
	c.mu.Unlock()
	if !leaving {
		c.renew()
	}
}

// answer hands an answer to whoever waits for it. It does not need mu: whoever holds that may be waiting for the
// keeper, which may be waiting for this.
func (c *Client) answer(m message) {
	id, rest, _ := strings.Cut(m.arg, " ")
	q := c.question.Load()
	if q == nil || q.id != id {
		m.closeFDs()
		return
	}
	m.arg = rest
	select {
	case q.answers <- m:
	case <-q.over:
		m.closeFDs()
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
			c.joined(socket)
			c.dirty = true // it holds nothing yet
			c.mu.Unlock()
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

// fill puts everything anew, as soon as the keeper takes messages.
func (c *Client) fill() {
	c.mu.Lock()
	cleared := c.trySend(message{verb: verbClear}, unix.MSG_DONTWAIT)
	c.dirty = !cleared
	refill, ready, beating := c.refill, c.isReady, c.beating
	c.mu.Unlock()
	if !cleared {
		return
	}
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

// send sends a message as far as there is a keeper, and reports whether that was so. A keeper that does not read for a
// second is not waited for any more, and filled anew later.
func (c *Client) send(verb, arg string, fds ...int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dirty && (verb == verbPut || verb == verbDrop) { // filled anew anyhow
		return false
	}
	flags := 0
	if c.dirty {
		flags = unix.MSG_DONTWAIT
	}
	return c.trySend(message{verb: verb, arg: arg, fds: fds}, flags)
}

// trySend is send with flags of sendmsg(2). The caller holds mu.
func (c *Client) trySend(m message, flags int) bool {
	if c.socket < 0 {
		return false
	}
	err := sendWith(c.socket, m, flags)
	if err != nil && !c.dirty {
		c.dirty = true
		c.log.Warn("the keeper does not listen", "err", err)
	}
	return err == nil
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
	gone := c.gone
	c.mu.Unlock()
	c.asked++
	q := &question{id: itoa(c.asked), answers: make(chan message), over: make(chan struct{})}
	c.question.Store(q)
	defer c.question.Store(nil)
	defer close(q.over)
	if !c.send(verbList, q.id+" "+prefix) {
		return h
	}
	limit := time.After(answerTime)
	for {
		select {
		case <-gone:
			return h
		case m := <-q.answers:
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
	defer c.mu.Unlock()
	c.leaving = true
	if c.coming >= 0 {
		_ = send(c.coming, message{verb: verbLeave}) // one that is gone already is as good
	}
	c.trySend(message{verb: verbLeave}, 0)
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
