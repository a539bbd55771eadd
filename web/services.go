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

// rowsPerPage of the list of services.
const rowsPerPage = 50

// maxFilterBytes of a text to filter by; longer ones match nothing anyway.
const maxFilterBytes = 200

type servicesHandlers struct {
	*pages
	look *looker
}

func (h *servicesHandlers) list(c echo.Context) error {
	q := readListQuery(c.QueryParams())
	v, err := h.view(c.Request().Context(), account(c), q)
	if err != nil {
		return err
	}
	p, err := h.arrive(c, "Services", "services")
	if err != nil {
		return err
	}
	p.Events = eventsPath(account(c), topicServices, v.Query.Values())
	return h.render(c, http.StatusOK, templates.ServicesPage(p, v))
}

// fragments are the parts of the list that an event stream keeps up to date.
func (h *servicesHandlers) fragments(ctx context.Context, p templates.Page, a panel.Account, q templates.ListQuery) ([]fragment, error) {
	v, err := h.view(ctx, a, q)
	if err != nil {
		return nil, err
	}
	return []fragment{
		{templates.IDServicesSummary, templates.ServicesSummary(p, v)},
		{templates.IDServicesTable, templates.ServicesTable(p, v)},
	}, nil
}

// view makes one page of the list. Only the rows that are shown are measured, unless the order depends on it.
func (h *servicesHandlers) view(ctx context.Context, a panel.Account, q templates.ListQuery) (templates.ServicesView, error) {
	rows, err := h.look.rows(ctx, a)
	if err != nil {
		return templates.ServicesView{}, err
	}
	v := templates.ServicesView{Counts: count(rows), Total: len(rows), Query: q}
	rows = slices.DeleteFunc(rows, func(r templates.ServiceRow) bool { return !matches(r, q) })
	if q.Sort == "cpu" || q.Sort == "memory" {
		h.look.measureUsage(ctx, rows)
	}
	sortRows(rows, q)
	v.Found = len(rows)
	v.Pages = max(1, (len(rows)+rowsPerPage-1)/rowsPerPage)
	v.Query.Page = min(q.Page, v.Pages)
	start := (v.Query.Page - 1) * rowsPerPage
	v.Rows = rows[start:min(start+rowsPerPage, len(rows))]
	h.look.measure(ctx, v.Rows)
	return v, nil
}

func count(rows []templates.ServiceRow) map[panel.State]int {
	counts := map[panel.State]int{}
	for _, r := range rows {
		counts[r.Status.State]++
	}
	return counts
}

// stateGroups are the words by which the list is filtered.
var stateGroups = map[string][]panel.State{
	"running":   {panel.Running},
	"failing":   {panel.Disabled, panel.Backoff},
	"busy":      {panel.Starting, panel.Stopping, panel.Unknown},
	"unhealthy": {panel.Unhealthy},
	"paused":    {panel.Paused},
}

func matches(r templates.ServiceRow, q templates.ListQuery) bool {
	if group, ok := stateGroups[q.State]; ok && !slices.Contains(group, r.Status.State) {
		return false
	}
	if q.Text == "" {
		return true
	}
	text := strings.ToLower(q.Text)
	return strings.Contains(r.Service.Name, text) ||
		strings.Contains(strings.ToLower(r.Service.Annotation), text) ||
		strings.Contains(strings.ToLower(r.Service.Command), text)
}

// rank orders states for the list, what needs somebody first. What starts, runs or stops shares a rank, so that a
// restart does not move the row.
func rank(s panel.State) int {
	switch s {
	case panel.Stopping, panel.Starting:
		s = panel.Running
	}
	return slices.Index(panel.States(), s)
}

// orders compare two rows by a column of the list.
var orders = map[string]func(a, b templates.ServiceRow) int{
	"name":  byName,
	"state": byRank,
	"port":  func(a, b templates.ServiceRow) int { return cmp.Compare(a.Service.Port, b.Service.Port) },
	"cpu":   func(a, b templates.ServiceRow) int { return cmp.Compare(cpu(a), cpu(b)) },
	"memory": func(a, b templates.ServiceRow) int {
		return cmp.Compare(memory(a), memory(b))
	},
	"restarts": func(a, b templates.ServiceRow) int { return cmp.Compare(a.Restarts, b.Restarts) },
}

func byName(a, b templates.ServiceRow) int { return cmp.Compare(a.Service.Name, b.Service.Name) }

func byRank(a, b templates.ServiceRow) int {
	return cmp.Compare(rank(a.Status.State), rank(b.Status.State))
}

// What is not known sorts below zero.

func cpu(r templates.ServiceRow) float64 {
	if r.Usage == nil {
		return -1
	}
	return r.Usage.CPU
}

func memory(r templates.ServiceRow) int64 {
	if r.Usage == nil {
		return -1
	}
	return r.Usage.Memory
}

// sortRows orders rows as the query says; equal ones by name.
func sortRows(rows []templates.ServiceRow, q templates.ListQuery) {
	order := orders[q.Sort]
	if order == nil {
		order = byRank
	}
	slices.SortFunc(rows, func(a, b templates.ServiceRow) int {
		n := order(a, b)
		if q.Desc {
			n = -n
		}
		return cmp.Or(n, byName(a, b))
	})
}

// readListQuery reads the parameters of the list's address. What it does not know has its default: an address
// may be older than the panel.
func readListQuery(q url.Values) templates.ListQuery {
	list := templates.ListQuery{Text: clip(q.Get("text"), maxFilterBytes), Page: 1}
	if _, ok := stateGroups[q.Get("state")]; ok {
		list.State = q.Get("state")
	}
	if _, ok := orders[q.Get("sort")]; ok {
		list.Sort = q.Get("sort")
	}
	list.Desc = q.Get("desc") == "1" && list.Sort != ""
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 {
		list.Page = n
	}
	return list
}
