package journey

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// troubles gathers what no page may cause: errors and warnings in the console, violations of the content policy,
// requests that fail or lead elsewhere, dialogs.
type troubles struct {
	address string // of the panel, the only one that pages may speak to

	mu      sync.Mutex
	found   []string
	allowed []string // a trouble with one of these in it is none
	urls    map[network.RequestID]string
}

// hear is called by the browser's connection for each event; it must not wait for anything.
func (tr *troubles) hear(event any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			tr.note("console %s: %s", e.Type, arguments(e.Args))
		}
	case *runtime.EventExceptionThrown:
		tr.note("%v", &chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails})
	case *log.EventEntryAdded:
		// What the browser logs about the network is seen more clearly below.
		if e.Entry.Source != log.EntrySourceNetwork && e.Entry.Level != log.EntryLevelVerbose && e.Entry.Level != log.EntryLevelInfo {
			tr.note("browser %s (%s): %s", e.Entry.Level, e.Entry.Source, e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		tr.note("dialog: %s", e.Message)
	case *network.EventRequestWillBeSent:
		tr.urls[e.RequestID] = e.Request.URL
		if !strings.HasPrefix(e.Request.URL, tr.address+"/") && !strings.HasPrefix(e.Request.URL, "data:") {
			tr.note("request elsewhere: %s", e.Request.URL)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			tr.note("status %d: %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFailed:
		if !e.Canceled { // a page that is left cancels what it still loads
			tr.note("failed (%s%s): %s", e.ErrorText, e.BlockedReason, tr.urls[e.RequestID])
		}
	}
}

func arguments(args []*runtime.RemoteObject) string {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = string(arg.Value) + arg.Description
	}
	return strings.Join(words, " ")
}

func (tr *troubles) note(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	for _, part := range tr.allowed {
		if strings.Contains(what, part) {
			return
		}
	}
	tr.found = append(tr.found, what)
}

// take returns what was found since the last time.
func (tr *troubles) take() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	found := tr.found
	tr.found = nil
	return found
}

// allow makes troubles that contain one of the parts expected from now on, instead of those of the last call.
func (tr *troubles) allow(parts ...string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.allowed = parts
}

// TestTroubleIsSeen makes sure that the silence of the other tests means something.
func TestTroubleIsSeen(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	b := newTab(t, h)
	b.open("/signin")
	for script, want := range map[string]string{
		`console.warn("careful")`:                                                    "console warning: \"careful\"",
		`setTimeout(() => { throw new Error("oops") })`:                              "oops",
		`document.body.insertAdjacentHTML("beforeend", "<p style='color:red'>")`:     "style-src",
		`document.body.append(Object.assign(new Image, {src: "http://127.0.0.2/"}))`: "img-src",
		`document.body.append(Object.assign(new Image, {src: "/static/none.svg"}))`:  "status 404",
		`setTimeout(() => document.body.setAttribute("onclick", "alert(1)"))`:        "script-src",
	} {
		b.run(script)
		found := ""
		eventually(t, "trouble is seen: "+want, func() bool {
			found += strings.Join(b.troubles.take(), "\n")
			return strings.Contains(found, want)
		}, func() string { return found })
	}
	b.settle()
	b.troubles.take()
}
