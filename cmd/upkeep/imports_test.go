package main

import (
	"errors"
	"go/build"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the folder of the module.
const root = "../.."

// rooms says for each package which others of upkeep it may import. The arrows point one way: cmd knows everything,
// panel knows nothing of ours, and web reaches the rest through interfaces that it declares itself. A new package
// needs a line here.
var rooms = map[string][]string{
	"internal/panel": {},

	// Leaves: small, and about one thing.
	"internal/cgroup":    {"internal/panel"},
	"internal/drain":     {},
	"internal/failpoint": {},
	"internal/password":  {},
	"internal/privilege": {},
	"internal/token":     {},
	"static":             {},

	"internal/catalogue":   {"internal/panel"},
	"internal/command":     {"internal/panel"},
	"internal/environment": {"internal/panel"},
	"internal/keeper":      {"internal/drain", "internal/failpoint", "internal/panel", "internal/privilege"},
	"internal/exchange":    {"internal/command", "internal/environment", "internal/panel"},
	"internal/launcher":    {"internal/failpoint", "internal/panel"},
	"store":                {"internal/panel"},
	"internal/diagnose":    {"internal/command", "internal/environment", "internal/panel"},
	"internal/logs":        {"internal/drain", "internal/keeper", "internal/panel", "internal/privilege"},
	"internal/lookup":      {"internal/diagnose"},
	"internal/process":     {"internal/cgroup", "internal/failpoint", "internal/panel"},

	"internal/supervisor": {"internal/cgroup", "internal/command", "internal/environment", "internal/failpoint",
		"internal/keeper", "internal/launcher", "internal/logs", "internal/panel", "internal/privilege", "internal/process"},
	"internal/control": {"internal/command", "internal/diagnose", "internal/environment", "internal/exchange",
		"internal/failpoint", "internal/logs",
		"internal/lookup", "internal/panel", "internal/privilege", "internal/process"},

	"templates": {"internal/panel", "static"},
	"web":       {"internal/catalogue", "internal/panel", "internal/password", "internal/token", "static", "templates"},

	"cmd/upkeep": {"internal/cgroup", "internal/control", "internal/drain", "internal/failpoint", "internal/keeper", "internal/logs",
		"internal/panel", "internal/password", "internal/privilege", "internal/process", "internal/supervisor",
		"internal/token", "store", "web"},
	"cmd/upkeep-helper": {"internal/keeper", "internal/launcher"},
}

// tools are for tests and measurements. They may import everything, and only tests and other tools import them.
var tools = []string{"internal/bench", "internal/chaos", "internal/fault", "internal/htmltest", "internal/journey",
	"internal/peers", "internal/rig"}

// libraries says which packages may import what is not ours. A path stands for everything below it. A new library
// needs a line here. The standard library is for everybody, except for what stands here too.
var libraries = map[string][]string{
	"database/sql":             {"store"},
	"modernc.org/sqlite":       {"store"},
	"github.com/pressly/goose": {"store"},

	"github.com/labstack/echo":    {"web"},
	"github.com/gorilla/sessions": {"web"},
	"github.com/tmaxmax/go-sse":   {"web"},
	"golang.org/x/time/rate":      {"web"},

	"github.com/a-h/templ":            {"templates", "web"},
	"github.com/charmbracelet/x/ansi": {"templates"},
	"github.com/dustin/go-humanize":   {"cmd/upkeep", "templates"},

	"github.com/spf13":                 {"cmd/upkeep"},
	"github.com/knadh/koanf":           {"cmd/upkeep"},
	"github.com/go-viper/mapstructure": {"cmd/upkeep"},
	"golang.org/x/sync/errgroup":       {"cmd/upkeep"},
	"github.com/alexedwards/argon2id":  {"internal/password"},
	"mvdan.cc/sh":                      {"internal/command", "internal/process"},
	"golang.org/x/sys/unix": {"cmd/upkeep", "internal/cgroup", "internal/drain", "internal/keeper", "internal/launcher", "internal/logs",
		"internal/lookup", "internal/privilege", "internal/process", "internal/supervisor", "store", "templates"},

	"testing": {}, // its flags would become those of the program
}

// standardOnly are packages that stay small enough to be read in one go, or that pay for their size at each start of
// a service.
var standardOnly = []string{"internal/panel", "static"}

// packages reads the imports of every package of the module, tests left out. Folders with tests alone are left out.
func packages(t *testing.T) map[string]*build.Package {
	t.Helper()
	found := map[string]*build.Package{}
	for _, dir := range folders(t) {
		p, err := build.ImportDir(filepath.Join(root, dir), 0)
		if errors.As(err, new(*build.NoGoError)) || (err == nil && len(p.GoFiles) == 0) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		found[dir] = p
	}
	return found
}

// folders are those of the module that can hold packages.
func folders(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "var" || d.Name() == "bin") {
			return fs.SkipDir
		}
		name, err := filepath.Rel(root, path)
		found = append(found, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ours returns the folder of an import of upkeep's own.
func ours(path string) (folder string, ok bool) { return strings.CutPrefix(path, "upkeep/") }

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	found := packages(t)
	for folder := range rooms {
		if found[folder] == nil {
			t.Errorf("the table has a line for %s, which does not exist", folder)
		}
	}
	for folder, p := range found {
		allowed, known := rooms[folder]
		if slices.Contains(tools, folder) {
			continue
		}
		if !known {
			t.Errorf("%s: a new package needs a line in the table", folder)
			continue
		}
		for _, path := range p.Imports {
			if other, ok := ours(path); ok && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s, which it may not", folder, other)
			}
		}
	}
}

func TestNobodyImportsCommandsAndTools(t *testing.T) {
	for folder, p := range packages(t) {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if strings.HasPrefix(path, "upkeep/cmd/") {
				t.Errorf("%s imports %s", folder, path)
			}
		}
		for _, path := range p.Imports {
			if other, _ := ours(path); slices.Contains(tools, other) && !slices.Contains(tools, folder) {
				t.Errorf("%s imports %s outside of its tests", folder, other)
			}
		}
	}
}

func TestLibrariesStayInTheirRooms(t *testing.T) {
	for folder, p := range packages(t) {
		for _, path := range p.Imports {
			if _, ok := ours(path); ok || slices.Contains(tools, folder) {
				continue
			}
			allowed, listed := roomsOf(path)
			switch {
			case !listed && standard(path):
			case !listed:
				t.Errorf("%s imports %s: a new library needs a line in the table", folder, path)
			case !slices.Contains(allowed, folder):
				t.Errorf("%s imports %s, which belongs to %v", folder, path, allowed)
			}
		}
	}
}

// roomsOf finds the line of a library, which stands for everything below its path.
func roomsOf(path string) (allowed []string, listed bool) {
	for library, allowed := range libraries {
		if path == library || strings.HasPrefix(path, library+"/") {
			return allowed, true
		}
	}
	return nil, false
}

// standard reports whether a path is of the standard library: those have no dot in their first part.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func TestSmallPackagesUseTheStandardLibraryOnly(t *testing.T) {
	found := packages(t)
	for _, folder := range standardOnly {
		for _, path := range found[folder].Imports {
			if _, own := ours(path); own || !standard(path) {
				t.Errorf("%s imports %s", folder, path)
			}
		}
	}
}

// closure is everything that a package imports, and what that imports in turn, as far as it is ours.
func closure(found map[string]*build.Package, folder string) map[string]bool {
	all := map[string]bool{}
	var add func(folder string)
	add = func(folder string) {
		for _, path := range found[folder].Imports {
			if all[path] {
				continue
			}
			all[path] = true
			if other, ok := ours(path); ok {
				add(other)
			}
		}
	}
	add(folder)
	return all
}

func TestWebReachesNothingThatActs(t *testing.T) {
	reached := closure(packages(t), "web")
	for _, folder := range []string{"store", "internal/supervisor", "internal/control", "internal/logs",
		"internal/process", "internal/cgroup", "internal/launcher", "internal/privilege"} {
		if reached["upkeep/"+folder] {
			t.Errorf("web reaches %s", folder)
		}
	}
}

// TestHelperIsSmall holds what every start of a service pays for.
func TestHelperIsSmall(t *testing.T) {
	for path := range closure(packages(t), "cmd/upkeep-helper") {
		if _, own := ours(path); !own && !standard(path) && path != "golang.org/x/sys/unix" {
			t.Errorf("upkeep-helper reaches %s", path)
		}
		if path == "net" || path == "net/http" || path == "os/user" || path == "os/exec" {
			t.Errorf("upkeep-helper reaches %s, which is large", path)
		}
	}
	info, err := os.Stat(filepath.Join(bin, "upkeep-helper"))
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(3_000_000); info.Size() >= limit {
		t.Errorf("upkeep-helper has %d bytes, want less than %d", info.Size(), limit)
	}
}

// TestTablesHaveNoDeadLines finds what is allowed and not used any more.
func TestTablesHaveNoDeadLines(t *testing.T) {
	found := packages(t)
	used := map[string]bool{}
	for folder, p := range found {
		for _, path := range p.Imports {
			other, _ := ours(path)
			used[folder+" "+other] = true
			for library := range libraries {
				if path == library || strings.HasPrefix(path, library+"/") {
					used[folder+" "+library] = true
				}
			}
		}
	}
	for _, table := range []map[string][]string{rooms, byRoom(libraries)} {
		for folder, allowed := range table {
			for _, other := range allowed {
				if found[folder] != nil && !used[folder+" "+other] {
					t.Errorf("%s may import %s, and does not", folder, other)
				}
			}
		}
	}
}

func byRoom(libraries map[string][]string) map[string][]string {
	rooms := map[string][]string{}
	for _, library := range slices.Sorted(maps.Keys(libraries)) {
		for _, folder := range libraries[library] {
			rooms[folder] = append(rooms[folder], library)
		}
	}
	return rooms
}
