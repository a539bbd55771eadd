package logs

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"upkeep/internal/panel"
)

// blocked submits jobs that wait for end, and returns a function that counts those that have begun.
func blocked(p *pool, account panel.AccountID, n int, end chan struct{}) (begun func() int) {
	count := make(chan struct{}, n)
	for range n {
		p.submit(account, func() { count <- struct{}{}; <-end })
	}
	return func() int { return len(count) }
}

func TestPoolGivesAnAccountTwoWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, end := newPool(10), make(chan struct{})
		hanging := blocked(p, 1, 5, end)
		other := blocked(p, 2, 1, end)
		synctest.Wait()
		if hanging() != 2 || other() != 1 || p.waiting(1) != 3 {
			t.Errorf("under way: got %d and %d, %d waiting; want 2, 1 and 3", hanging(), other(), p.waiting(1))
		}
		close(end)
		<-p.close()
		if hanging() != 5 {
			t.Errorf("done in the end: got %d, want 5", hanging())
		}
	})
}

func TestPoolReplacesWorkersThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, end := newPool(4), make(chan struct{})
		blocked(p, 1, 2, end)
		blocked(p, 2, 2, end)
		healthy := blocked(p, 3, 1, end)
		synctest.Wait()
		if healthy() != 0 {
			t.Error("more workers than the pool has")
		}
		time.Sleep(stuckAfter)
		synctest.Wait()
		if healthy() != 1 {
			t.Error("the healthy account still waits for those that hang")
		}
		close(end)
		<-p.close()
		if p.busy != 0 || p.under != 0 || len(p.lanes) != 0 {
			t.Errorf("afterwards: busy %d, under way %d, lanes %d", p.busy, p.under, len(p.lanes))
		}
	})
}

func TestPoolTakesAccountsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1)
		var order []panel.AccountID
		start := make(chan struct{})
		p.submit(9, func() { <-start })
		for range 3 {
			p.submit(1, func() { order = append(order, 1) })
		}
		p.submit(2, func() { order = append(order, 2) })
		close(start)
		<-p.close()
		if want := []panel.AccountID{1, 2, 1, 1}; !slices.Equal(order, want) {
			t.Errorf("order: got %v, want %v", order, want)
		}
	})
}

func TestPoolClosesWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { <-newPool(1).close() })
}
