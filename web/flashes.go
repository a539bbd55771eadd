package web

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// What a page says after an action.

func pausedFlash(a panel.Account, name string, status panel.Status) templates.Flash {
	f := templates.Flash{
		Kind: "ok", Text: "Paused " + name + ".",
		Action: &templates.Action{Label: "Resume", Path: servicePath(a, name) + "/resume"},
	}
	if status.State == panel.Stopping {
		f.Text = "Pausing " + name + "."
		f.Detail = "It is being stopped. What does not stop in time is killed."
	}
	return f
}

// startedFlash is about a service that is wanted again; done says what was asked for.
func startedFlash(done string, status panel.Status) templates.Flash {
	f := templates.Flash{Kind: "ok", Text: done + "."}
	switch status.State {
	case panel.Stopping:
		f.Detail = "Its former run is still being stopped. The new one starts right after."
	case panel.Backoff, panel.Disabled:
		f.Kind, f.Detail = "bad", "It ended again at once."
		if status.LastExit != nil {
			f.Detail = "It ended again at once: " + templates.ExitText(*status.LastExit) + "."
		}
	}
	return f
}

func restartFlash(a panel.Account, name string, o panel.RestartOutcome) templates.Flash {
	f := templates.Flash{Kind: "ok", Text: templates.OutcomeText(o)}
	switch o.Result {
	case panel.Reloaded:
		f.Kind = "info"
		f.Detail = "If it should start afresh, restart it harder: stop, then start."
		f.Action = &templates.Action{Label: "Restart harder", Path: servicePath(a, name) + "/restart-hard"}
	case panel.Failed:
		f.Kind = "bad"
	case panel.Superseded:
		f.Kind = "warn"
	}
	return f
}

// refusedFlash turns an error that is about the present state of a service into a message for its page. Other
// errors come back.
func refusedFlash(name string, err error) (templates.Flash, error) {
	f := templates.Flash{Kind: "warn"}
	switch {
	case errors.Is(err, panel.ErrConflict):
		f.Text = "This does not fit the state that " + name + " is in now."
		f.Detail = "Nothing was changed."
	case errors.Is(err, panel.ErrBusy):
		f.Text = "The same is already under way for " + name + "."
		f.Detail = "Nothing more was done."
	case errors.Is(err, panel.ErrGone):
		f.Text = "It had ended already."
		f.Detail = "Nothing was done."
	case errors.Is(err, context.DeadlineExceeded):
		f.Text = "This takes longer than a page waits."
		f.Detail = "It goes on; the state of " + name + " shows how."
	default:
		return f, err
	}
	return f, nil
}

// savedFlash is about an edit. A run that lives keeps its former definition until it is replaced.
func savedFlash(a panel.Account, svc panel.Service, status panel.Status) templates.Flash {
	f := templates.Flash{Kind: "ok", Text: "Saved " + svc.Name + "."}
	if svc.Version > 1 {
		f.Undo = &templates.Action{Label: "Undo", Path: fmt.Sprintf("%s/undo?version=%d", servicePath(a, svc.Name), svc.Version-1)}
	}
	if status.PID != 0 && status.Version != svc.Version && svc.Wanted == panel.WantedOn {
		f.Detail = "The change applies at the next restart."
		f.Action = &templates.Action{Label: "Restart now", Path: servicePath(a, svc.Name) + "/restart"}
	}
	return f
}

// checkFlash is about a check that a person asked for.
func checkFlash(c panel.Check) templates.Flash {
	f := templates.Flash{Kind: "ok", Text: templates.CheckText(c), Detail: "Nothing follows from it: it was a test."}
	switch c.Outcome {
	case panel.CheckFailed:
		f.Kind = "bad"
	case panel.CheckNotRun:
		f.Kind = "warn"
	}
	lines := strings.Split(strings.TrimRight(c.Output, "\n"), "\n")
	for _, line := range lines[max(0, len(lines)-linesInFlash):] {
		if line != "" {
			f.Lines = append(f.Lines, printable([]byte(line)))
		}
	}
	return f
}

func endedFlash(service string, pid int, kill bool) templates.Flash {
	signal := "SIGTERM"
	if kill {
		signal = "SIGKILL"
	}
	return templates.Flash{
		Kind: "ok", Text: fmt.Sprintf("%s was sent to process %d of %s.", signal, pid, service),
		Detail: "If it was the main process, upkeep starts the service again.",
	}
}

// referringPath is the page of this panel that a request came from, with its query; empty when it is not known.
func referringPath(c echo.Context) string {
	r := c.Request()
	u, err := url.Parse(r.Header.Get("Referer"))
	if err != nil || u.Host != r.Host {
		return ""
	}
	return localPath(u.RequestURI())
}

// isPage reports whether an address is a page, whatever its query.
func isPage(address, path string) bool {
	before, _, _ := strings.Cut(address, "?")
	return before == path
}

// maxFlashLineBytes of a log line are kept in a message.
const maxFlashLineBytes = 500

// printable is a log line as a message can carry it.
func printable(line []byte) string {
	return clip(strings.ToValidUTF8(string(line), "\ufffd"), maxFlashLineBytes)
}

// clip shortens a text to at most maxBytes, at the start of a character, and drops bytes that are no text.
func clip(s string, maxBytes int) string {
	return strings.ToValidUTF8(s[:min(len(s), maxBytes)], "")
}
