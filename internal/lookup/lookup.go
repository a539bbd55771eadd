// Package lookup finds out what stands where a service's command expects its program: the facts for package
// diagnose. It looks with the rights of the account, so it can tell nobody more than the account's own programs
// could find out, and it opens nothing for writing.
//
// Files are first opened as names only (O_PATH), which neither blocks on a pipe nor wakes a device. Of a regular
// file that may be executed, the first bytes are read as well, never more than the kernel itself looks at.
package lookup

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"upkeep/internal/diagnose"
)

// Program looks for the program name as the launcher will: in the directories of searchPath, which has the form
// of PATH, or from the working directory when name holds a slash. home is absolute; dir is relative to it, or
// absolute and below it. Everything happens inside one call of as, which lends the rights of the account.
//
// It answers with an error when dir cannot be entered, or leaves the home. That there is no such program is no
// error.
func Program(home, dir, searchPath string, as func(func() error) error, name string) (diagnose.Found, error) {
	found := diagnose.Found{Name: name}
	err := as(func() error {
		f, err := open(home, dir)
		if err != nil {
			return err
		}
		defer f.close()
		f.path = searchPath
		f.program(&found)
		return nil
	})
	if err != nil {
		return diagnose.Found{Name: name}, fmt.Errorf("look for program %q: %w", name, err)
	}
	return found, nil
}

// finder looks around in one home.
type finder struct {
	home   string // absolute and clean
	dir    string // working directory, absolute and clean
	path   string // as in PATH
	homeFD int
}

var errOutside = errors.New("the working directory is outside of the home")

// open checks that the working directory is a directory within the home.
func open(home, dir string) (*finder, error) {
	f := &finder{home: path.Clean(home), dir: path.Clean(dir)}
	if !path.IsAbs(home) {
		return nil, fmt.Errorf("home %q is not absolute", home)
	}
	if !path.IsAbs(f.dir) {
		f.dir = path.Join(f.home, f.dir)
	}
	fd, err := unix.Open(f.home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open home %q: %w", f.home, err)
	}
	f.homeFD = fd
	if err := f.checkDir(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *finder) close() { unix.Close(f.homeFD) }

func (f *finder) checkDir() error {
	below, ok := f.below(f.dir)
	if !ok {
		return errOutside
	}
	fd, err := unix.Openat2(f.homeFD, below, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.EXDEV) {
		return errOutside
	}
	if err != nil {
		return fmt.Errorf("open working directory %q: %w", f.dir, err)
	}
	return unix.Close(fd)
}

// below returns an absolute, clean path relative to the home; ok is false when it is not within.
func (f *finder) below(abs string) (rel string, ok bool) {
	if abs == f.home {
		return ".", true
	}
	return strings.CutPrefix(abs, strings.TrimSuffix(f.home, "/")+"/")
}

// program fills found.
func (f *finder) program(found *diagnose.Found) {
	name := found.Name
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return
	}
	if strings.Contains(name, "/") {
		f.at(found, f.absolute(name))
	} else {
		f.search(found)
	}
	if found.Path == "" {
		found.Candidates = f.candidates(path.Base(name))
	}
	if found.Executable {
		f.inspect(found)
	}
}

// absolute gives a path as seen from the working directory.
func (f *finder) absolute(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(f.dir, name)
}

// at notes what stands at one path.
func (f *finder) at(found *diagnose.Found, abs string) {
	file, ok := f.stat(abs)
	if !ok {
		return
	}
	defer file.close()
	found.Path = abs
	found.Directory = file.directory()
	found.Executable = file.executable()
}

// search goes through PATH like execvp: a file that may not be executed counts only if no later one may.
func (f *finder) search(found *diagnose.Found) {
	blocked := ""
	for _, dir := range strings.Split(f.path, ":") {
		abs := path.Join(f.absolute(dir), found.Name)
		file, ok := f.stat(abs)
		if !ok {
			continue
		}
		executable, directory := file.executable(), file.directory()
		file.close()
		if executable {
			found.Path, found.Executable = abs, true
			return
		}
		if !directory && blocked == "" {
			blocked = abs
		}
	}
	found.Path = blocked
	if blocked == "" {
		f.here(found)
	}
}

// here notes a file of the working directory: people type its name, but programs are not looked for there.
func (f *finder) here(found *diagnose.Found) {
	file, ok := f.stat(path.Join(f.dir, found.Name))
	if !ok {
		return
	}
	defer file.close()
	found.Here = !file.directory()
	found.HereExecutable = file.executable()
}

// environments are the places where tools of languages install programs for one project.
var environments = []string{"venv/bin", ".venv/bin", "env/bin", "node_modules/.bin", "vendor/bin", "bin"}

// candidates lists where else a program of this name exists, below the working directory or the home.
func (f *finder) candidates(name string) []string {
	var list []string
	for _, dir := range environments {
		if f.runs(path.Join(f.dir, dir, name)) {
			list = append(list, dir+"/"+name)
		}
		if full := path.Join(f.home, dir, name); f.dir != f.home && f.runs(full) {
			list = append(list, full)
		}
	}
	return list
}

// runs reports whether the account may execute a file.
func (f *finder) runs(abs string) bool {
	file, ok := f.stat(abs)
	if !ok {
		return false
	}
	defer file.close()
	return file.executable()
}
