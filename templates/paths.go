package templates

import (
	"net/url"
	"strconv"

	"upkeep/internal/panel"
)

func accountPath(account string) string { return "/accounts/" + url.PathEscape(account) }

func servicesPath(p Page) string { return accountPath(p.Account) + "/services" }

func newServicePath(p Page) string { return servicesPath(p) + "/new" }

func servicePath(p Page, name string) string { return servicesPath(p) + "/" + url.PathEscape(name) }

// actionPath is where a service's pages and actions are: "edit", "logs", "restart" …
func actionPath(p Page, name, action string) string { return servicePath(p, name) + "/" + action }

// historyPath is the history of a service: one kind of it, older than an event.
func historyPath(p Page, name, kind string, before int64) string {
	v := url.Values{}
	if kind != "" {
		v.Set("kind", kind)
	}
	if before > 0 {
		v.Set("before", strconv.FormatInt(before, 10))
	}
	path := actionPath(p, name, "history")
	if len(v) > 0 {
		path += "?" + v.Encode()
	}
	return path
}

func processesPath(p Page) string { return accountPath(p.Account) + "/processes/services" }

func endPath(p Page) string { return processesPath(p) + "/end" }

func logsBefore(p Page, v LogsView) string {
	return actionPath(p, v.Service.Name, "logs") + "?before=" + position(v.Extract.From)
}

func logsAfter(p Page, v LogsView) string {
	return actionPath(p, v.Service.Name, "logs") + "?after=" + position(v.Extract.To)
}

func position(pos panel.Position) string { return strconv.FormatInt(int64(pos), 10) }

// Values is the query as parameters of an address; what has its default is left out.
func (q ListQuery) Values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"text": q.Text, "state": q.State, "sort": q.Sort} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Desc {
		v.Set("desc", "1")
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	return v
}

// listPath is the list of services as q wants it.
func listPath(p Page, q ListQuery) string {
	if query := q.Values().Encode(); query != "" {
		return servicesPath(p) + "?" + query
	}
	return servicesPath(p)
}

// withState is the first page of the list for another state.
func (q ListQuery) withState(state string) ListQuery {
	q.State, q.Page = state, 1
	return q
}

func (q ListQuery) withPage(page int) ListQuery {
	q.Page = page
	return q
}

// sortedBy is the first page of the list sorted by a column. Asking for the present column turns it round, and
// asking once more gives the list its own order back.
func (q ListQuery) sortedBy(column string) ListQuery {
	first := numeric(column)
	switch {
	case q.Sort != column:
		q.Sort, q.Desc = column, first
	case q.Desc == first:
		q.Desc = !first
	default:
		q.Sort, q.Desc = "", false
	}
	q.Page = 1
	return q
}

// numeric columns are read from the top down: the largest is what somebody looks for.
func numeric(column string) bool {
	return column == "cpu" || column == "memory" || column == "restarts"
}

// ariaSort is the value of the attribute for a column's head.
func (q ListQuery) ariaSort(column string) string {
	switch {
	case q.Sort != column:
		return "none"
	case q.Desc:
		return "descending"
	}
	return "ascending"
}

func itoa(n int) string { return strconv.Itoa(n) }
