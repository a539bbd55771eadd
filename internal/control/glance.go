package control

import (
	"sync"
	"time"

	"upkeep/internal/diagnose"
	"upkeep/internal/panel"
)

const (
	// glanceTime is how long a page waits for a look into a home. It takes far less than a millisecond, unless the
	// home is on a file system that hangs.
	glanceTime = time.Second
	// glancesPerAccount bounds the threads that hang in the home of one account.
	glancesPerAccount = 2
)

// glances are the looks into homes that are under way. The zero value has none.
type glances struct {
	mu   sync.Mutex
	busy map[panel.AccountID]int
}

// glance calls look, and does not wait for it longer than glanceTime. With several that hang in the same home already
// it does not even begin. In both cases, and when look failed, nothing is known.
func (g *glances) glance(acct panel.AccountID, look func() (diagnose.Found, error)) (found diagnose.Found, known bool) {
	if !g.begin(acct) {
		return diagnose.Found{}, false
	}
	answer := make(chan diagnose.Found, 1) // so that one that comes too late does not stay for ever
	go func() {
		defer g.end(acct)
		defer close(answer)
		if found, err := look(); err == nil {
			answer <- found
		}
	}()
	patience := time.NewTimer(glanceTime)
	defer patience.Stop()
	select {
	case found, known = <-answer:
		return found, known
	case <-patience.C:
		return diagnose.Found{}, false
	}
}

func (g *glances) begin(acct panel.AccountID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy[acct] >= glancesPerAccount {
		return false
	}
	if g.busy == nil {
		g.busy = map[panel.AccountID]int{}
	}
	g.busy[acct]++
	return true
}

func (g *glances) end(acct panel.AccountID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy[acct]--; g.busy[acct] == 0 {
		delete(g.busy, acct)
	}
}
