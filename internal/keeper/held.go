package keeper

import (
	"golang.org/x/sys/unix"

	"upkeep/internal/failpoint"
)

// held is a descriptor under a name.
type held struct {
	fd    int
	users int  // workers that use the descriptor right now
	gone  bool // let go of: the last user closes it
}

// put holds fd, which is the keeper's now, in place of what had the name before. What is known about the name stays:
// a process may end between two daemons' looks at it. The caller holds mu.
func (k *keeper) put(name string, fd int) {
	k.letGo(name)
	k.held[name] = &held{fd: fd}
	if k.mover.on {
		k.mover.wake() // it waits for what was held before
	}
	if pid, ok := pidOf(name); ok {
		if e, ended := k.early[pid]; ended {
			k.exits[name] = e
		}
	}
	failpoint.At("keeper.put")
}

// drop lets go of a name and of what is known about it. The caller holds mu.
func (k *keeper) drop(name string) {
	delete(k.exits, name)
	k.letGo(name)
}

// letGo closes what is held under a name. The caller holds mu.
func (k *keeper) letGo(name string) {
	h, ok := k.held[name]
	if !ok {
		return
	}
	delete(k.held, name)
	h.gone = true
	h.release()
}

func (h *held) release() {
	if h.gone && h.users == 0 {
		unix.Close(h.fd)
	}
}

// use keeps the descriptor of a name open until done is called with mu held; nil when nothing is held. The caller
// holds mu.
func (k *keeper) use(name string) *held {
	h := k.held[name]
	if h != nil {
		h.users++
	}
	return h
}

// done ends a use. The caller holds mu.
func (h *held) done() {
	if h == nil {
		return
	}
	h.users--
	h.release()
}
