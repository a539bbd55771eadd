package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"upkeep/internal/exchange"
	"upkeep/internal/panel"
	"upkeep/store"
)

// fakeEngine stands for control, supervisor, observer and logs: services are really stored, and their states are
// whatever a test says.
type fakeEngine struct {
	store *store.Store
	now   func() time.Time

	mu         sync.Mutex
	statuses   map[panel.ServiceID]panel.Status
	usage      map[panel.ServiceID]panel.Usage
	ports      map[panel.ServiceID]panel.PortUse
	processes  []panel.Process
	output     map[panel.ServiceID]string
	unreadable error // of every log; nil when they can be read
	warnings   []panel.Finding
	outcome    panel.RestartOutcome
	check      panel.Check
	fail       error    // what every action answers
	calls      []string // every action, in order
	watchers   map[chan struct{}]bool
	panics     bool
	hangs      bool // actions wait until their context ends
	measured   int  // services whose usage was asked for, in all
}

func newFakeEngine(s *store.Store, now func() time.Time) *fakeEngine {
	return &fakeEngine{
		store: s, now: now,
		statuses: map[panel.ServiceID]panel.Status{}, usage: map[panel.ServiceID]panel.Usage{},
		ports: map[panel.ServiceID]panel.PortUse{}, output: map[panel.ServiceID]string{},
		watchers: map[chan struct{}]bool{},
	}
}

// set gives a service a status and tells everybody who watches.
func (f *fakeEngine) set(id panel.ServiceID, s panel.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statuses[id] = s
	for w := range f.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (f *fakeEngine) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.fail
}

func (f *fakeEngine) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeEngine) watching() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers)
}

func (f *fakeEngine) Status(_ context.Context, ids ...panel.ServiceID) (map[panel.ServiceID]panel.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("on purpose")
	}
	found := map[panel.ServiceID]panel.Status{}
	for _, id := range ids {
		if s, ok := f.statuses[id]; ok {
			found[id] = s
		}
	}
	return found, nil
}

func (f *fakeEngine) Watch(ctx context.Context) <-chan struct{} {
	w := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers[w] = true
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, w)
		close(w)
	})
	return w
}

func (f *fakeEngine) Usage(_ context.Context, ids []panel.ServiceID) (map[panel.ServiceID]panel.Usage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.measured += len(ids)
	return maps.Clone(f.usage), nil
}

func (f *fakeEngine) Ports(context.Context, []panel.Service) (map[panel.ServiceID]panel.PortUse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.ports), nil
}

func (f *fakeEngine) Processes(_ context.Context, ids []panel.ServiceID) ([]panel.Process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []panel.Process
	for _, p := range f.processes {
		if slices.Contains(ids, p.Service) {
			found = append(found, p)
		}
	}
	return found, nil
}

func (f *fakeEngine) Extract(_ context.Context, a panel.Account, svc panel.Service, q panel.LogQuery) (panel.LogExtract, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, ok := f.output[svc.ID]
	if f.unreadable != nil {
		return panel.LogExtract{}, f.unreadable
	}
	if !ok {
		return panel.LogExtract{}, panel.ErrNotFound
	}
	lines := linesOf(text)
	if len(lines) > q.Lines {
		lines = lines[len(lines)-q.Lines:]
	}
	return panel.LogExtract{
		Lines: lines, To: panel.Position(len(text)), Size: int64(len(text)),
		Path: a.Home + "/admin/logs/services/" + svc.Name + ".log",
	}, nil
}

func linesOf(text string) []panel.LogLine {
	var lines []panel.LogLine
	position := 0
	for line := range strings.Lines(text) {
		lines = append(lines, panel.LogLine{
			Position: panel.Position(position), Text: bytes.TrimSuffix([]byte(line), []byte("\n")),
		})
		position += len(line)
	}
	return lines
}

func (f *fakeEngine) OpenLog(_ context.Context, _ panel.Account, svc panel.Service) (io.ReadCloser, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, ok := f.output[svc.ID]
	if f.unreadable != nil {
		return nil, 0, f.unreadable
	}
	if !ok {
		return nil, 0, panel.ErrNotFound
	}
	return io.NopCloser(strings.NewReader(text)), int64(len(text)), nil
}

func (f *fakeEngine) Warnings(context.Context, panel.Account, panel.Definition) ([]panel.Finding, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.warnings, nil
}

func (f *fakeEngine) Try(_ context.Context, _ panel.Account, def panel.Definition) (panel.Check, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "try "+def.Monitoring.Command)
	if def.Monitoring.Command == "" {
		wrong := &panel.ValidationError{}
		wrong.Set("monitoring", "Type a command first.")
		return panel.Check{}, wrong
	}
	return f.check, f.fail
}

func (f *fakeEngine) BringBack(ctx context.Context, a panel.Account, name string, version int, by panel.Actor) (panel.Service, error) {
	svc, err := f.store.Service(ctx, a.ID, name)
	if err != nil {
		return svc, err
	}
	former, err := f.store.Version(ctx, svc.ID, version)
	if err != nil {
		return svc, err
	}
	return f.store.UpdateService(ctx, svc.ID, former.Definition, svc.Version, by)
}

func (f *fakeEngine) FreePort(context.Context) (int, error) { return 8317, nil }

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// check is as strict as the real one where the tests need it.
func check(def panel.Definition) error {
	var wrong panel.ValidationError
	if !goodName.MatchString(def.Name) {
		wrong.Set("name", "Use small letters, digits and hyphens.")
	}
	if def.Command == "" || len(def.Command) > panel.MaxCommandBytes {
		wrong.Set("command", "The command is empty or too long.")
	}
	if len(def.Environment) > panel.MaxEnvironmentBytes {
		wrong.Set("environment", "The environment is too long.")
	}
	if len(def.Directory) > panel.MaxDirectoryBytes {
		wrong.Set("directory", "The directory is too long.")
	}
	if len(def.Annotation) > panel.MaxAnnotationRunes {
		wrong.Set("annotation", "The note is too long.")
	}
	if def.Port != 0 && (def.Port < panel.MinPort || def.Port > panel.MaxPort) {
		wrong.Set("port", "Only ports 8300 to 8499 are open.")
	}
	return wrong.Err()
}

func (f *fakeEngine) Create(ctx context.Context, a panel.Account, def panel.Definition, paused bool, by panel.Actor) (panel.Service, error) {
	if err := f.note("create %s paused=%v by %s", def.Name, paused, by.Name); err != nil {
		return panel.Service{}, err
	}
	if err := check(def); err != nil {
		return panel.Service{}, err
	}
	svc := panel.Service{Account: a.ID, Definition: def, CreatedAt: f.now()}
	if paused {
		svc.Wanted = panel.WantedPaused
	}
	return f.store.CreateService(ctx, svc, by)
}

func (f *fakeEngine) Edit(ctx context.Context, a panel.Account, name string, def panel.Definition, paused bool, version int, by panel.Actor) (panel.Service, error) {
	if err := f.note("edit %s paused=%v version=%d", name, paused, version); err != nil {
		return panel.Service{}, err
	}
	svc, err := f.store.Service(ctx, a.ID, name)
	if err != nil {
		return svc, err
	}
	if err := check(def); err != nil {
		return svc, err
	}
	return f.store.UpdateService(ctx, svc.ID, def, version, by)
}

func (f *fakeEngine) ReadImport(_ context.Context, a panel.Account, file panel.ImportFile, directory string) (panel.Import, error) {
	in, err := exchange.Read(a, file)
	for i := range in.Drafts {
		if in.Drafts[i].Directory == "" {
			in.Drafts[i].Directory = directory
		}
	}
	return in, err
}

func (f *fakeEngine) Export(a panel.Account, def panel.Definition, format panel.Format) (panel.Export, error) {
	return exchange.Write(a, def, format)
}

func (f *fakeEngine) act(ctx context.Context, verb string, a panel.Account, name string) (panel.Status, error) {
	if err := f.note("%s %s", verb, name); err != nil {
		return panel.Status{}, err
	}
	if f.hangs {
		<-ctx.Done()
		return panel.Status{}, ctx.Err()
	}
	svc, err := f.store.Service(ctx, a.ID, name)
	if err != nil {
		return panel.Status{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.statuses[svc.ID], nil
}

func (f *fakeEngine) Pause(ctx context.Context, a panel.Account, name string, _ panel.Actor) (panel.Status, error) {
	return f.act(ctx, "pause", a, name)
}

func (f *fakeEngine) Resume(ctx context.Context, a panel.Account, name string, _ panel.Actor) (panel.Status, error) {
	return f.act(ctx, "resume", a, name)
}

func (f *fakeEngine) StartNow(ctx context.Context, a panel.Account, name string, _ panel.Actor) (panel.Status, error) {
	return f.act(ctx, "start", a, name)
}

func (f *fakeEngine) Restart(ctx context.Context, a panel.Account, name string, hard bool, _ panel.Actor) (panel.RestartOutcome, error) {
	_, err := f.act(ctx, fmt.Sprintf("restart hard=%v", hard), a, name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.outcome, err
}

func (f *fakeEngine) Remove(ctx context.Context, a panel.Account, name string, by panel.Actor) error {
	if err := f.note("remove %s", name); err != nil {
		return err
	}
	if f.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	svc, err := f.store.Service(ctx, a.ID, name)
	if err != nil {
		return err
	}
	return f.store.DeleteService(ctx, svc.ID, by)
}

func (f *fakeEngine) EndProcess(_ context.Context, _ panel.Account, pid int, start uint64, kill bool, _ panel.Actor) (string, error) {
	return "web", f.note("end %d %d kill=%v", pid, start, kill)
}
