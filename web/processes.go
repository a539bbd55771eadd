package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// processObserver lists what runs.
type processObserver interface {
	Processes(ctx context.Context, ids []panel.ServiceID) ([]panel.Process, error)
}

// processControl ends processes.
type processControl interface {
	// EndProcess returns panel.ErrNotFound for a process that is none of the account's services', and
	// panel.ErrGone for one that ended, also when its number was given to another since.
	EndProcess(ctx context.Context, a panel.Account, pid int, start uint64, kill bool, by panel.Actor) (service string, err error)
}

type processesHandlers struct {
	*pages
	store interface {
		Services(ctx context.Context, account panel.AccountID) ([]panel.Service, error)
	}
	observe processObserver
	control processControl
}

func (h *processesHandlers) list(c echo.Context) error {
	query := readProcessQuery(c.QueryParams())
	v, err := h.view(c.Request().Context(), account(c), query.Get("text"))
	if err != nil {
		return err
	}
	p, err := h.arrive(c, "Processes of services", "processes")
	if err != nil {
		return err
	}
	p.Events = eventsPath(account(c), topicProcesses, query)
	return h.render(c, http.StatusOK, templates.ProcessesPage(p, v))
}

// readProcessQuery keeps what the address of the page may say: a text to filter by.
func readProcessQuery(q url.Values) url.Values {
	kept := url.Values{}
	if text := clip(q.Get("text"), maxFilterBytes); text != "" {
		kept.Set("text", text)
	}
	return kept
}

// fragments are the parts of the page that an event stream keeps up to date.
func (h *processesHandlers) fragments(ctx context.Context, p templates.Page, a panel.Account, text string) ([]fragment, error) {
	v, err := h.view(ctx, a, text)
	if err != nil {
		return nil, err
	}
	return []fragment{{templates.IDProcessesTable, templates.ProcessesTable(p, v)}}, nil
}

func (h *processesHandlers) view(ctx context.Context, a panel.Account, text string) (templates.ProcessesView, error) {
	v := templates.ProcessesView{Text: text, Shared: a.Shared}
	services, err := h.store.Services(ctx, a.ID)
	if err != nil || len(services) == 0 {
		return v, err
	}
	names := make(map[panel.ServiceID]string, len(services))
	ids := make([]panel.ServiceID, len(services))
	for i, svc := range services {
		names[svc.ID], ids[i] = svc.Name, svc.ID
	}
	all, err := h.observe.Processes(ctx, ids)
	if err != nil {
		return v, err
	}
	v.Total = len(all)
	v.Rows = filterTree(tree(all, names), strings.ToLower(text))
	return v, nil
}

// tree orders processes by service, each below its parent. A process whose parent is of another service, or of
// none, stands at the top level: the main process first.
func tree(all []panel.Process, names map[panel.ServiceID]string) []templates.ProcessRow {
	byPID := make(map[int]panel.Process, len(all))
	for _, p := range all {
		byPID[p.PID] = p
	}
	children := map[int][]panel.Process{} // by the parent's PID; 0 for the top level
	for _, p := range all {
		parent, ok := byPID[p.Parent]
		if !ok || parent.Service != p.Service || parent.PID == p.PID {
			parent.PID = 0
		}
		children[parent.PID] = append(children[parent.PID], p)
	}
	slices.SortFunc(children[0], func(a, b panel.Process) int {
		return cmp.Or(cmp.Compare(names[a.Service], names[b.Service]), mainFirst(a, b), cmp.Compare(a.PID, b.PID))
	})
	var rows []templates.ProcessRow
	var add func(parent, level int)
	add = func(parent, level int) {
		for _, p := range children[parent] {
			rows = append(rows, templates.ProcessRow{Process: p, ServiceName: names[p.Service], Level: level})
			add(p.PID, level+1)
		}
	}
	add(0, 0)
	return rows
}

func mainFirst(a, b panel.Process) int {
	switch {
	case a.Main == b.Main:
		return 0
	case a.Main:
		return -1
	}
	return 1
}

// filterTree keeps the rows that a text fits, and the ones above them.
func filterTree(rows []templates.ProcessRow, text string) []templates.ProcessRow {
	if text == "" {
		return rows
	}
	keep := make([]bool, len(rows))
	level := -1 // of the nearest row below that is kept and still lacks the ones above it
	for i, r := range slices.Backward(rows) {
		if fits(r, text) || r.Level < level {
			keep[i], level = true, r.Level
		}
		if r.Level == 0 {
			level = -1
		}
	}
	var kept []templates.ProcessRow
	for i, r := range rows {
		if keep[i] {
			kept = append(kept, r)
		}
	}
	return kept
}

func fits(r templates.ProcessRow, text string) bool {
	return strings.Contains(r.ServiceName, text) ||
		strings.Contains(strings.ToLower(r.Command), text) ||
		strconv.Itoa(r.PID) == text
}

// end sends a signal to one process. Its start time comes with it, so that a number that was given to another
// process meanwhile is refused.
func (h *processesHandlers) end(c echo.Context) error {
	f, err := readCleanForm(c)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(f.get("pid"))
	if err != nil || pid <= 0 {
		return errBadForm
	}
	start, err := strconv.ParseUint(f.get("start"), 10, 64)
	if err != nil {
		return errBadForm
	}
	kill := f.get("signal") == "KILL"
	if !kill && f.get("signal") != "TERM" {
		return errBadForm
	}
	a := account(c)
	service, err := h.control.EndProcess(c.Request().Context(), a, pid, start, kill, actor(c))
	flash := endedFlash(service, pid, kill)
	if err != nil {
		if flash, err = refusedFlash("process "+strconv.Itoa(pid), err); err != nil {
			return err
		}
	}
	return h.flash(c, h.comeBack(c, a), flash)
}

// comeBack keeps the filter of the table.
func (h *processesHandlers) comeBack(c echo.Context, a panel.Account) string {
	if back := referringPath(c); isPage(back, processesPath(a)) {
		return back
	}
	return processesPath(a)
}
