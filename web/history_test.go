package web

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"upkeep/internal/panel"
)

func TestHistory(t *testing.T) {
	s := signedIn(t)
	svc := s.newServiceOf(s.own, panel.Definition{Name: "told", Command: "x"})
	for i := range historyShown + 10 {
		ev := panel.Event{Account: s.own.ID, Service: svc.ID, ServiceName: svc.Name, Kind: panel.EventStarted, Run: i + 1, PID: 100 + i,
			At: s.clock.Now().Add(time.Duration(i) * time.Second)}
		if err := s.store.AddEvent(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	sick := panel.Event{Account: s.own.ID, Service: svc.ID, ServiceName: svc.Name, Kind: panel.EventUnhealthy, Detail: "<i>exit</i>"}
	if err := s.store.AddEvent(t.Context(), sick); err != nil {
		t.Fatal(err)
	}
	path := servicesURL + "/told/history"
	p := s.Get(path).WantStatus(http.StatusOK).WantSound()
	if n := p.Doc.Find(".events [data-event]").Length(); n != historyShown {
		t.Errorf("%d events on the first page, want %d", n, historyShown)
	}
	p.WantText(".events", "<i>exit</i>")
	older := p.Attr(".pager a", "href")
	p = s.Get(older).WantStatus(http.StatusOK).WantSound()
	if n := p.Doc.Find(".events [data-event]").Length(); n != 12 { // the creation too
		t.Errorf("%d events on the second page, want 12", n)
	}
	p = s.Get(path + "?kind=checks").WantSound()
	if n := p.Doc.Find(".events [data-event]").Length(); n != 1 {
		t.Errorf("%d events of monitoring, want 1", n)
	}
	if p.Attr(".chips [aria-current]", "href") != path+"?kind=checks" {
		t.Error("the filter in force is not marked")
	}
	s.Get(path+"?kind=edits&before=1").WantText("main", "Nothing of this kind")
	s.Get(path + "?kind=%3Cx&before=x").WantStatus(http.StatusOK).WantSound()
}

func TestBringBackAVersion(t *testing.T) {
	s := signedIn(t)
	svc := s.newServiceOf(s.own, panel.Definition{Name: "old", Command: "./first", Environment: "A=1"})
	edit := url.Values{"name": {"newer"}, "command": {"./second"}, "environment": {"A=<2>"}, "version": {fmt.Sprint(svc.Version)}}
	p := s.Post(servicesURL+"/old/edit", edit).WantStatus(http.StatusSeeOther).Follow().WantSound()
	undo := p.Attr(".flash form", "action")
	if undo != servicesURL+"/newer/undo?version=1" {
		t.Fatalf("the edit offers %q, want to undo it", undo)
	}
	h := s.Get(servicesURL + "/newer/history").WantSound()
	h.WantText("#version-2 .changes", "./first")
	h.WantText("#version-2 ins", "newer")
	h.WantText("#version-2 .changes", "A=<2>")
	s.Post(undo, nil).WantStatus(http.StatusSeeOther).Follow().WantText(".flash", "Version 1 of old is back.")
	got, err := s.store.Service(t.Context(), s.own.ID, "old")
	if err != nil || got.Command != "./first" || got.Version != 3 {
		t.Errorf("stored %+v (%v), want the first definition as version 3", got, err)
	}
	for _, bad := range []string{"", "0", "99", "x"} {
		s.Post(servicesURL+"/old/undo?version="+bad, nil).WantStatus(http.StatusNotFound)
	}
}
