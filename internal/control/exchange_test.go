package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"upkeep/internal/panel"
)

// drafts writes what a file would become: name, port and directory, and what is refused.
func drafts(in panel.Import) string {
	var b strings.Builder
	for _, d := range in.Drafts {
		fmt.Fprintf(&b, "%s %d %q %v\n", d.Name, d.Port, d.Directory, d.Possible())
	}
	return b.String()
}

func TestImportProposesWhatIsFree(t *testing.T) {
	s := newSite(t)
	for _, svc := range []panel.Service{
		{Account: s.own.ID, Definition: panel.Definition{Name: "web", Command: "x", Port: panel.MinPort}},
		{Account: s.own.ID, Definition: panel.Definition{Name: "web-2", Command: "x"}},
		{Account: s.other.ID, Definition: panel.Definition{Name: "theirs", Command: "x", Port: 8450}},
	} {
		_, err := s.store.CreateService(t.Context(), svc, ann)
		check(t, err)
	}
	free, err := s.FreePort(t.Context())
	check(t, err)
	text := "[program:web]\ncommand=a\nenvironment=PORT=8450\n[program:theirs]\ncommand=b\n[program:web]\ncommand=c\nenvironment=PORT=" +
		fmt.Sprint(free) + "\n[program:import]\ncommand=d\ndirectory=../x\n[program:fine]\ncommand=e\ndirectory=" + s.own.Home + "/in\n"
	in, err := s.ReadImport(t.Context(), s.own, panel.ImportFile{Text: text}, "apps")
	check(t, err)
	next := free + 1
	for !unbound(next) {
		next++
	}
	want := fmt.Sprintf("web-3 %d \"apps\" true\ntheirs 0 \"apps\" true\nweb-4 %d \"apps\" true\nimport-2 0 \"../x\" false\nfine 0 \"in\" true\n", next, free)
	if got := drafts(in); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	says := ""
	for _, d := range in.Drafts {
		for _, r := range d.Remarks {
			says += r.Text + "\n"
		}
	}
	for _, sentence := range []string{"The name web is taken; web-3 is proposed.", "Port 8450 is taken, so another one is proposed.", "must lie in the home"} {
		if !strings.Contains(says, sentence) {
			t.Errorf("%q is missing in\n%s", sentence, says)
		}
	}
	if strings.Contains(says, "theirs is taken") {
		t.Error("a name of another account is taken")
	}
	if len(s.engine.asked) > 0 {
		t.Errorf("reading did %q", s.engine.asked)
	}
	services, err := s.store.Services(t.Context(), s.own.ID)
	check(t, err)
	if len(services) != 2 {
		t.Errorf("%d services after reading", len(services))
	}
	// What is proposed can be created.
	for _, d := range in.Drafts {
		if _, err := s.Create(t.Context(), s.own, d.Definition, true, ann); (err == nil) != d.Possible() {
			t.Errorf("create %s: %v", d.Name, err)
		}
	}
}

func TestImportAsksForWhatIsMissing(t *testing.T) {
	s := newSite(t)
	in, err := s.ReadImport(t.Context(), s.own, panel.ImportFile{Format: panel.FormatDotenv, Text: "A=1"}, "")
	check(t, err)
	if len(in.Drafts) != 1 || !in.Drafts[0].Possible() || in.Drafts[0].Command != "" {
		t.Errorf("got %+v", in.Drafts)
	}
	var malformed *panel.MalformedError
	if _, err := s.ReadImport(t.Context(), s.own, panel.ImportFile{Text: "?"}, ""); !errors.As(err, &malformed) {
		t.Errorf("got %v", err)
	}
}

func TestImportWithoutAFreePort(t *testing.T) {
	s := newSite(t)
	for port := panel.MinPort; port <= panel.MaxPort; port++ {
		_, err := s.store.CreateService(t.Context(), panel.Service{Account: s.other.ID,
			Definition: panel.Definition{Name: fmt.Sprintf("s%d", port), Command: "x", Port: port}}, ann)
		check(t, err)
	}
	in, err := s.ReadImport(t.Context(), s.own, panel.ImportFile{Text: "web: x"}, "")
	check(t, err)
	if d := in.Drafts[0]; d.Port != 0 || !d.Possible() || len(d.Remarks) != 1 {
		t.Errorf("got %+v", d)
	}
}

// What the form would warn of is seen before anything is created, and stops nobody.
func TestImportWarns(t *testing.T) {
	s := newSite(t)
	in, err := s.ReadImport(t.Context(), s.own, panel.ImportFile{Text: "web: gunicorn -D app:app\nworker: php bin/worker\n"}, "")
	check(t, err)
	noticed := func(d panel.Draft) (found []string) {
		for _, r := range d.Remarks {
			if r.Kind == panel.RemarkNoticed {
				found = append(found, r.Text)
			}
		}
		return found
	}
	if got := noticed(in.Drafts[0]); len(got) != 1 || !strings.Contains(got[0], "foreground") || !in.Drafts[0].Possible() {
		t.Errorf("about a daemon option: %q", got)
	}
	if got := noticed(in.Drafts[1]); len(got) != 0 {
		t.Errorf("about an ordinary command: %q", got)
	}
}

// A long name keeps its length when a number is added, and stays a name.
func TestImportOfLongNames(t *testing.T) {
	s := newSite(t)
	long := strings.Repeat("a", panel.MaxNameBytes)
	in, err := s.ReadImport(t.Context(), s.own, panel.ImportFile{Text: long + ": x\n" + long + ": y\n"}, "")
	check(t, err)
	if got := in.Drafts[1].Name; got != long[:panel.MaxNameBytes-2]+"-2" || !in.Drafts[1].Possible() {
		t.Errorf("got %s", got)
	}
}

func TestExportOfControl(t *testing.T) {
	s := newSite(t)
	out, err := s.Export(s.own, good(), panel.FormatSystemd)
	if err != nil || out.FileName != "web.service" || !strings.Contains(out.Text, "\nExecStart=node server.js\n") {
		t.Errorf("%v\n%s", err, out.Text)
	}
	if _, err := s.Export(s.own, good(), panel.FormatPM2); !errors.Is(err, panel.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
