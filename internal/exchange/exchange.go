// Package exchange reads the files of other supervisors, and of upkeep itself, as definitions of services, and writes
// definitions as such files. It executes nothing and opens nothing: a file is a text.
//
// Whatever a file says is either mapped, ignored or refused, and each draft says which, with the line. What was
// exported comes back as the same service: the same arguments, environment, directory, port, name and note.
//
// The readers of sections and keys are our own and not libraries, because every remark and every problem names its
// line: neither coreos/go-systemd nor gopkg.in/ini.v1 knows lines. The former also refuses those of 2 KiB, which
// systemd takes; the latter gives quotes and backslashes meanings that supervisord does not know. The referees of the
// tests are systemd itself and the modules of Python that supervisord reads with.
package exchange

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"upkeep/internal/command"
	"upkeep/internal/panel"
)

// readers by format.
var readers = map[panel.Format]func(*reading){
	panel.FormatProcfile:    readProcfile,
	panel.FormatDotenv:      readDotenv,
	panel.FormatSupervisord: readSupervisord,
	panel.FormatSystemd:     readSystemd,
	panel.FormatPM2:         readPM2,
	panel.FormatJSON:        readJSON,
}

// reading is one file being read.
type reading struct {
	panel.Import
	acct     panel.Account // whose home and user the file may name
	file     string        // its name; may be empty
	text     string
	problems []panel.FileProblem
}

// Read finds out what a file asks for. The error is a *panel.MalformedError for a file that cannot be read; nothing of
// it should be used then.
func Read(acct panel.Account, file panel.ImportFile) (panel.Import, error) {
	r := &reading{acct: acct, file: path.Base(strings.ReplaceAll(file.Name, `\`, "/")), text: plain(file.Text)}
	if file.Name == "" {
		r.file = ""
	}
	r.checkText()
	if len(r.problems) == 0 {
		r.read(file.Format)
	}
	if len(r.problems) == 0 && len(r.Drafts) == 0 {
		r.problem(0, "%s", nothingIn(r.Remarks))
	}
	if len(r.problems) > 0 {
		return panel.Import{Format: r.Format}, &panel.MalformedError{Problems: r.problems}
	}
	return r.Import, nil
}

// plain removes what editors of other systems leave.
func plain(text string) string {
	text = strings.TrimPrefix(text, "\ufeff")
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

func (r *reading) checkText() {
	switch {
	case len(r.text) > panel.MaxImportBytes:
		r.problem(0, "The file has %d bytes; at most %d are possible.", len(r.text), panel.MaxImportBytes)
		return
	case strings.TrimSpace(r.text) == "":
		r.problem(0, "The file is empty.")
		return
	}
	number := 0
	for line := range strings.Lines(r.text) {
		number++
		if strings.IndexByte(line, 0) >= 0 || !utf8.ValidString(line) {
			r.problem(number, "It holds bytes that are no text.")
			return
		}
	}
}

func (r *reading) read(format panel.Format) {
	if format == "" {
		format = detect(r.file, r.text)
	}
	read := readers[format]
	if read == nil {
		r.problem(0, "%s", unknown(r.file, r.text))
		return
	}
	r.Format = format
	read(r)
	if r.full() {
		r.problem(0, "The file asks for more than %d services, which is too many at once. Divide it.", panel.MaxDrafts)
	}
}

// full says that the file asks for too much, so that the rest of it need not be read.
func (r *reading) full() bool { return len(r.Drafts) > panel.MaxDrafts }

// nothingIn explains a file without a service.
func nothingIn(remarks []panel.Remark) string {
	text := "The file declares no service."
	if len(remarks) > 0 {
		text += " " + remarks[0].Text
	}
	return text
}

// maxRemarks are kept about one service, or the file as a whole: as many as somebody reads.
const maxRemarks = 50

func (r *reading) problem(line int, format string, args ...any) {
	if len(r.problems) == maxRemarks {
		return
	}
	r.problems = append(r.problems, panel.FileProblem{Line: line, Text: fmt.Sprintf(format, args...)})
}

// remark is about what belongs to no service.
func (r *reading) remark(kind panel.RemarkKind, line int, format string, args ...any) {
	if len(r.Remarks) == maxRemarks {
		return
	}
	r.Remarks = append(r.Remarks, panel.Remark{Kind: kind, Line: line, Text: fmt.Sprintf(format, args...)})
}

// draft is a service being read.
type draft struct {
	panel.Draft
	acct panel.Account
	more int // remarks that are too many
}

func (r *reading) draft(line int) *draft {
	return &draft{acct: r.acct, Draft: panel.Draft{Line: line}}
}

// add keeps a draft, with what is said of it in the order of the file.
func (r *reading) add(d *draft) {
	if d.more > 0 {
		d.Remarks = append(d.Remarks, panel.Remark{Kind: panel.RemarkIgnored, Line: d.Line, Text: fmt.Sprintf("%d more remarks are left out.", d.more)})
	}
	slices.SortStableFunc(d.Remarks, func(a, b panel.Remark) int { return cmp.Compare(a.Line, b.Line) })
	r.Drafts = append(r.Drafts, d.Draft)
}

// remark keeps every refusal, and of the rest as many as somebody reads.
func (d *draft) remark(kind panel.RemarkKind, line int, format string, args ...any) {
	if len(d.Remarks) >= maxRemarks && (kind != panel.RemarkRefused || !d.Possible()) {
		d.more++
		return
	}
	d.Remarks = append(d.Remarks, panel.Remark{Kind: kind, Line: line, Text: fmt.Sprintf(format, args...)})
}

func (d *draft) mapped(line int, format string, args ...any) {
	d.remark(panel.RemarkMapped, line, format, args...)
}

func (d *draft) ignored(line int, format string, args ...any) {
	d.remark(panel.RemarkIgnored, line, format, args...)
}

func (d *draft) refused(line int, format string, args ...any) {
	d.remark(panel.RemarkRefused, line, format, args...)
}

// setName makes a name of a service out of any other.
func (d *draft) setName(line int, name string) {
	d.Name = ServiceName(name)
	if d.Name != name {
		d.mapped(line, "%q becomes %s: names have small letters, digits and hyphens.", clip(name), d.Name)
	}
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// ServiceName makes the nearest name that a service can have.
func ServiceName(text string) string {
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if len(name) > panel.MaxNameBytes {
		name = strings.TrimRight(name[:panel.MaxNameBytes], "-")
	}
	if name == "" {
		return "service"
	}
	return name
}

// setCommand takes a command line that is read as upkeep reads it.
func (d *draft) setCommand(line int, text string) {
	d.Command = strings.TrimSpace(text)
	if _, err := command.Parse(text); err != nil {
		d.refused(line, "The command cannot be used: %v.", err)
	}
}

// setWords takes a command as words that no shell has to look at.
func (d *draft) setWords(line int, words []string) {
	if len(words) == 0 {
		d.refused(line, "There is no command.")
		return
	}
	d.setCommand(line, commandText(words))
}

// setDirectory takes a directory as other supervisors know it: absolute.
func (d *draft) setDirectory(line int, dir string) {
	home := strings.TrimSuffix(d.acct.Home, "/")
	switch below, ok := strings.CutPrefix(path.Clean(dir)+"/", home+"/"); {
	case dir == "" || dir == "~" || dir == "~/":
		d.Directory = ""
	case ok && path.IsAbs(dir):
		d.Directory = strings.TrimSuffix(below, "/")
	case path.IsAbs(dir):
		d.Directory = dir
		d.refused(line, "The directory %s lies outside of this account's home, %s. Change it in the file and look again.",
			clip(dir), home)
	default:
		d.Directory = strings.TrimPrefix(dir, "~/")
	}
}

// clip keeps what is quoted in a remark readable.
func clip(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

var (
	errQuote     = errors.New("a quote is never closed")
	errBackslash = errors.New("nothing follows the last backslash")
)
