package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"upkeep/internal/panel"
)

// person is somebody who changes services through the panel, one thing after the other. What the panel answers is
// taken at its word, and the word is compared with /proc.
type person struct {
	*host
	name   string
	client *client
	chance *rand.Rand
	own    []*service
	add    func(*service) // makes a new service known to everybody
	made   int
	did    map[string]int
}

// errUncertain says that an action may or may not have been carried out: upkeep went away while it was asked.
var errUncertain = errors.New("no answer")

// act does one thing after the other until ctx ends.
func (p *person) act(ctx context.Context) {
	for pause(ctx, time.Duration(50+p.chance.IntN(400))*time.Millisecond) == nil {
		s := p.own[p.chance.IntN(len(p.own))]
		p.actOn(ctx, s)
	}
}

// actOn does what chance says to one service.
func (p *person) actOn(ctx context.Context, s *service) {
	// Decided before anything is seen, so that the seed alone decides.
	what, luck := p.chance.IntN(100), p.chance.IntN(100)
	exists, unsure, wanted := s.view()
	if unsure {
		p.clarify(ctx, s)
		return
	}
	switch {
	case !exists:
		if luck < 30 {
			p.count("create", p.create(ctx, s))
		}
	case wanted == panel.WantedPaused && what < 60:
		p.count("resume", p.resume(ctx, s))
	case what < 30:
		p.count("restart", p.restart(ctx, s, "restart"))
	case what < 45:
		p.count("restart harder", p.restart(ctx, s, "restart-hard"))
	case what < 70:
		p.count("pause", p.pause(ctx, s))
	case what < 85:
		p.count("edit", p.edit(ctx, s))
	case what < 93:
		p.count("look", p.look(ctx, s))
	case what < 97:
		p.count("resume", p.resume(ctx, s)) // also what is disabled
	default:
		p.count("delete", p.remove(ctx, s))
	}
}

func (p *person) count(what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if err != nil {
		what += " (no answer)"
	}
	p.did[what]++
}

// press posts to an action of a service, from its page, and returns the page that it leads to. An action without an
// answer leaves the service unsure.
func (p *person) press(ctx context.Context, s *service, path string, fields url.Values) (*page, error) {
	if _, err := p.visit(ctx, s.path()); err != nil {
		return nil, err
	}
	answer, err := p.client.post(ctx, path, fields)
	return p.answered(ctx, s, path, answer, err)
}

// answered judges an answer to a form and follows its redirect.
func (p *person) answered(ctx context.Context, s *service, path string, answer *page, err error) (*page, error) {
	if err != nil {
		p.doubt(s)
		p.judgeRefusal(ctx, path, err)
		return nil, fmt.Errorf("%w: %w", errUncertain, err)
	}
	if answer.status == http.StatusSeeOther {
		return p.visit(ctx, answer.location)
	}
	p.doubt(s)
	p.judgeStatus(path, answer)
	return nil, errUncertain
}

// visit opens a page, again and again while upkeep is away.
func (p *person) visit(ctx context.Context, path string) (*page, error) {
	for {
		answer, err := p.client.get(ctx, path)
		if err == nil && answer.status < 500 {
			return answer, nil
		}
		if err == nil {
			p.judgeStatus(path, answer)
		} else {
			p.judgeRefusal(ctx, path, err)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// graceAfter is how long what a fault has led to may still show.
const graceAfter = 3 * time.Second

// judgeStatus: an error page needs an excuse.
func (p *person) judgeStatus(path string, answer *page) {
	now := time.Now()
	if answer.status >= 500 && !p.during(&p.full, now, graceAfter) && !p.during(&p.silent, now, graceAfter) {
		p.report.violation("web", "%s of %s: status %d: %s", path, p.name, answer.status,
			strings.Join(strings.Fields(answer.doc.Find("main").Text()), " "))
	}
	if answer.status == http.StatusUnprocessableEntity || answer.status == http.StatusForbidden {
		p.report.violation("web", "%s of %s: status %d: %s", path, p.name, answer.status,
			strings.Join(strings.Fields(answer.doc.Find("[role=alert]").Text()), " "))
	}
}

// judgeRefusal: no answer at all needs an excuse too.
func (p *person) judgeRefusal(ctx context.Context, path string, err error) {
	now := time.Now()
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, syscall.ECONNREFUSED) && p.keeperPID() != 0 && !p.during(&p.blind, now, graceAfter):
		p.report.violation("web", "%s of %s, while the keeper holds the socket: %v", path, p.name, err)
	case !p.during(&p.silent, now, graceAfter):
		p.report.violation("web", "%s of %s: %v", path, p.name, err)
	}
}

func (p *person) doubt(s *service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure = true
}

// sure notes what is certain now.
func (s *service) sure(exists bool, wanted panel.Wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists, s.wanted, s.unsure = exists, wanted, false
}

// clarify looks what became of an action that got no answer.
func (p *person) clarify(ctx context.Context, s *service) {
	if p.during(&p.full, time.Now(), graceAfter) {
		return // what the page says is not stored yet
	}
	at, err := p.visit(ctx, s.path())
	if err != nil {
		return
	}
	switch {
	case at.status == http.StatusNotFound:
		s.sure(false, "")
	case at.state() == string(panel.Paused):
		s.sure(true, panel.WantedPaused)
	case at.state() != string(panel.Stopping): // which may lead to either
		s.sure(true, panel.WantedOn)
	}
}

// settle notes what the panel said. While the disk is full it says that this may not last.
func (p *person) settle(s *service, exists bool, wanted panel.Wanted) {
	s.sure(exists, wanted)
	if p.during(&p.full, time.Now(), graceAfter) {
		p.doubt(s)
	}
}

func (p *person) create(ctx context.Context, s *service) error {
	form, err := p.visit(ctx, s.list()+"/new")
	if err != nil {
		return err
	}
	values := map[string]string{"name": s.name, "command": p.child + " " + s.kind.mode, "annotation": s.kind.about,
		"environment": fmt.Sprintf("CHAOS_BOOKS=%s\nCHAOS_SEED=%d", p.books, p.report.seed)}
	if s.port != 0 {
		values["port"] = fmt.Sprint(s.port)
	}
	answer, err := p.client.fill(ctx, form, "main form.form", values)
	if errors.Is(err, errNoForm) {
		return err
	}
	done, err := p.answered(ctx, s, s.list(), answer, err)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(done.says(), "Created "+s.name) {
		p.report.violation("web", "created %v, and the page says %q", s, done.says())
	}
	p.settle(s, true, panel.WantedOn)
	return nil
}

func (p *person) pause(ctx context.Context, s *service) error {
	done, err := p.press(ctx, s, s.path()+"/pause", nil)
	if err != nil {
		return err
	}
	p.settle(s, true, panel.WantedPaused)
	if strings.HasPrefix(done.says(), "Paused "+s.name) {
		p.wantNothing(s, "the page says that it is paused")
	}
	return nil
}

// wantNothing: no process of the service may live.
func (p *person) wantNothing(s *service, because string) {
	if left := of(s.name, processes()); len(left) > 0 {
		p.report.violation("stop", "%v: %s, and there are %v", s, because, left)
	}
}

func (p *person) resume(ctx context.Context, s *service) error {
	done, err := p.press(ctx, s, s.path()+"/resume", nil)
	if err != nil {
		return err
	}
	p.settle(s, true, panel.WantedOn)
	if state := done.state(); state == string(panel.Paused) && strings.HasPrefix(done.says(), "Resumed") {
		p.report.violation("state", "%v: resumed (%q), and its page says %s", s, done.says(), state)
	}
	return nil
}

func (p *person) restart(ctx context.Context, s *service, how string) error {
	_, _, wanted := s.view()
	done, err := p.press(ctx, s, s.path()+"/"+how, nil)
	if err != nil {
		return err
	}
	p.settle(s, true, wanted)
	var old, pid int
	if n, _ := fmt.Sscanf(done.says(), "Restarted: PID %d replaced %d", &pid, &old); n == 2 {
		for _, process := range of(s.name, processes()) {
			if process.pid == old && process.main() && pid != old {
				p.report.violation("restart", "%v: %q, and %v lives", s, done.says(), process)
			}
		}
	}
	return nil
}

func (p *person) edit(ctx context.Context, s *service) error {
	form, err := p.visit(ctx, s.path()+"/edit")
	if err != nil {
		return err
	}
	_, _, wanted := s.view()
	annotation := fmt.Sprintf("edited at %d", time.Now().UnixMilli())
	answer, err := p.client.fill(ctx, form, "main form.form", map[string]string{"annotation": annotation})
	if errors.Is(err, errNoForm) {
		return err
	}
	if _, err := p.answered(ctx, s, s.path()+"/edit", answer, err); err != nil {
		return err
	}
	p.settle(s, true, wanted)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.annotation = annotation
	return nil
}

// look reads the page and the log.
func (p *person) look(ctx context.Context, s *service) error {
	for _, path := range []string{s.path(), s.path() + "/logs", "/accounts/" + s.account + "/processes/services"} {
		at, err := p.visit(ctx, path)
		if err != nil {
			return err
		}
		if at.status != http.StatusOK {
			p.report.violation("web", "%s: status %d for a service that exists", path, at.status)
		}
	}
	return nil
}

func (p *person) remove(ctx context.Context, s *service) error {
	p.holdFallbacks()
	done, err := p.press(ctx, s, s.path()+"/delete", url.Values{"confirm": {s.name}})
	if err != nil {
		return err
	}
	if !strings.HasPrefix(done.says(), "Deleted "+s.name) {
		p.doubt(s) // it took longer than a page waits
		return nil
	}
	p.settle(s, false, "")
	p.wantNothing(s, "the page says that it is deleted")
	p.succeed(s)
	return nil
}

// succeed has a new service come into the place of one that was deleted. Names are never used again, so that a name
// stands for one service.
func (p *person) succeed(old *service) {
	p.made++
	next := &service{name: fmt.Sprintf("%s-%s%d", old.kind.mode, p.name, p.made), account: old.account, kind: old.kind, port: old.port}
	for i := range p.own {
		if p.own[i] == old {
			p.own[i] = next
		}
	}
	p.add(next)
}
