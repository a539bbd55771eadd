package web

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"upkeep/internal/password"
)

// limits counts attempts per key, for at most max keys. A new key beyond that takes the place of the one that was
// silent for longest.
type limits struct {
	every time.Duration // one more attempt per
	burst int
	max   int

	mu   sync.Mutex
	keys map[string]*limited // under mu
}

type limited struct {
	limiter *rate.Limiter
	seen    time.Time
}

func newLimits(every time.Duration, burst, max int) *limits {
	return &limits{every: every, burst: burst, max: max, keys: map[string]*limited{}}
}

// take uses up one attempt. It returns how long to wait when none is left.
func (l *limits) take(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.keys[key]
	if k == nil {
		l.makeRoom()
		k = &limited{limiter: rate.NewLimiter(rate.Every(l.every), l.burst)}
		l.keys[key] = k
	}
	k.seen = now
	r := k.limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// forget gives a key all its attempts back.
func (l *limits) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, key)
}

// makeRoom drops the oldest tenth of the keys when there are too many, so that the search for them is rare. The
// caller holds mu.
func (l *limits) makeRoom() {
	if len(l.keys) < l.max {
		return
	}
	oldest := slices.SortedFunc(maps.Keys(l.keys), func(a, b string) int {
		return l.keys[a].seen.Compare(l.keys[b].seen)
	})
	for _, key := range oldest[:max(1, l.max/10)] {
		delete(l.keys, key)
	}
}

// network is whom attempts are counted against: an IPv4 address, or the /64 that one IPv6 customer has.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}

// hasher bounds how many passwords are hashed at once: each needs 19 MiB and a core.
type hasher struct{ slots chan struct{} }

func newHasher() *hasher { return &hasher{make(chan struct{}, 2)} }

func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hasher) leave() { <-h.slots }

func (h *hasher) hash(ctx context.Context, plain string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	return password.Hash(plain)
}

func (h *hasher) verify(ctx context.Context, plain, hash string) (bool, error) {
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	return password.Verify(plain, hash)
}
