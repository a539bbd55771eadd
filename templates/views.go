// Package templates holds the pages of the panel as templ components, and the values that they show. A component
// decides nothing: the handler has looked everything up, including the time, and the component writes it down.
package templates

import (
	"time"

	"upkeep/internal/panel"
)

// Page is what every page needs besides its own content.
type Page struct {
	Title    string   // without " · upkeep"
	Account  string   // name of the account; empty outside of one
	Accounts []string // that the person may open, in order
	Host     string   // services-<account>.<domain>; empty outside of an account
	User     string   // e-mail; empty when nobody is signed in
	Section  string   // "services" or "processes": the entry of the navigation that is current
	Theme    string   // "light", "dark", or empty for the system's choice
	Path     string   // of this page with its query, for links that come back to it
	Flash    *Flash
	Trouble  *Trouble  // nil when all is well with the database
	Events   string    // path of the page's event stream; empty when it has none
	Now      time.Time // the clock for every relative time on the page
}

// Flash is the result of the action before.
type Flash struct {
	Kind   string // "ok", "info", "warn" or "bad"
	Text   string
	Detail string   // a second, quieter sentence
	Lines  []string // of the log, when they explain the result
	Action *Action  // offered with the result
	Undo   *Action  // takes it back
}

// Trouble is what keeps the whole panel from its work.
type Trouble struct {
	Text   string
	Detail string // for administrators; empty for others
}

// Action is a button that posts.
type Action struct {
	Label string
	Path  string
}

// ServiceRow is one service of the list.
type ServiceRow struct {
	Service  panel.Service
	Status   panel.Status
	Port     *panel.PortUse // nil when the service declares no port
	Usage    *panel.Usage   // nil when nothing runs
	Restarts int            // in 24 h, starts after the first
}

// ServicesView is the list of services.
type ServicesView struct {
	Rows   []ServiceRow // of this page of the list
	Counts map[panel.State]int
	Total  int // of the account, without any filter
	Found  int // with the filter, on all pages
	Query  ListQuery
	Pages  int // at least 1
}

// ListQuery is what the address of the list says, in the parameters text, state, sort, desc (1 when set) and page.
type ListQuery struct {
	Text  string
	State string // one of: "", "running", "failing", "busy", "unhealthy", "paused"
	Sort  string // one of: "" (failing first, then name), "name", "state", "port", "cpu", "memory", "restarts"
	Desc  bool
	Page  int // from 1
}

// ServiceForm is the form for a new or an existing service, as typed.
type ServiceForm struct {
	Name, Command, Directory, Environment, Port, Annotation string
	Paused                                                  bool

	// Times are typed as seconds or as 30s, 5m; what is empty is left to the host.
	Monitoring, MonitoringInterval, MonitoringTimeout, MonitoringFailures, MonitoringGrace string
	BudgetFailures, BudgetWindow, BudgetProbation                                          string
	Check                                                                                  *panel.Check // "Test now"

	// Version of the definition that was read; sent back in the field version, so that two people who edit at
	// once are told. Zero for a new service.
	Version   int
	Existing  string            // present name of the service; empty for a new one
	Running   bool              // a run lives: an edit applies at its next start
	Home      string            // absolute
	FreePort  int               // to propose; 0 when the range is used up
	Templates []panel.Template  // to start a new one from
	Chosen    *panel.Template   // the one it was started from; nil for none
	Errors    map[string]string // field → message, "" for the form as a whole
	Warnings  []panel.Finding
}

// ServiceView is the page of one service.
type ServiceView struct {
	ServiceRow
	Lines    panel.LogExtract // the last 20
	Runs     []panel.Run      // newest first
	Events   []panel.Event    // newest first
	Main     *panel.Process   // nil when none lives
	Pending  bool             // the definition was edited since the live run started
	Warnings []panel.Finding  // of the definition
	Checks   []panel.Check    // kept results of the monitoring command, newest first
	Limits   panel.HostLimits
}

// LogsView is the log of one service.
type LogsView struct {
	Service panel.Service
	Status  panel.Status
	Extract panel.LogExtract
	Display string // path of the file with ~ for the home
	Newest  bool   // the window reaches the end of the file
	// Unreadable says in one sentence why there is nothing to show; empty when the log could be read.
	Unreadable string
}

// HistoryView is what happened to one service.
type HistoryView struct {
	Service  panel.Service
	Status   panel.Status
	Kind     string // of the filter: "", "runs", "checks", "people" or "edits"
	Events   []panel.Event
	First    bool            // these are the newest
	Older    bool            // there are more
	Versions []panel.Version // newest first
}

// ProcessRow is one process of the table.
type ProcessRow struct {
	panel.Process
	ServiceName string
	Level       int // below the main process, from 0
}

// ProcessesView is the table of an account's processes.
type ProcessesView struct {
	Rows   []ProcessRow
	Text   string // filter, of the address's parameter text
	Total  int
	Shared bool // account without a Unix user of its own
}

// DeleteView is the page that asks before a service is deleted.
type DeleteView struct {
	Service panel.Service
	Status  panel.Status
	LogPath string // with ~ for the home; the file stays
	Typed   string
	Error   string
}

// SignInView is the page that asks who one is.
type SignInView struct {
	Email string
	Next  string // path to go to afterwards
	Error string
}

// WelcomeView is the page behind a first sign-in link: it asks for a password.
type WelcomeView struct {
	Email string
	Token string
	Error string // about the password
}

// AccountsView lets a person with several accounts, or none, choose.
type AccountsView struct {
	Accounts []panel.Account
}

// ErrorView is the page for everything that went wrong.
type ErrorView struct {
	Code    int
	Title   string
	Message string // what happened and what to do
}

// DamagedView is the page for a database that cannot be used at all.
type DamagedView struct {
	Title   string
	Message string // for everybody
	Detail  string // for the administrator: what exactly is wrong
	Steps   []Step // that mend it, in their order
}

// Step is one thing to do at the machine.
type Step struct {
	Text    string
	Command string // to type; empty for none
}
