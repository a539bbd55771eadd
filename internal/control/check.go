package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"upkeep/internal/command"
	"upkeep/internal/environment"
	"upkeep/internal/panel"
)

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// taken are names that would hide a page of the panel.
var taken = map[string]bool{"new": true, "import": true, "export": true}

// check cleans a definition and says everything that is wrong with it. self is the service that is edited.
func (c *Control) check(ctx context.Context, acct panel.Account, def panel.Definition, self panel.ServiceID) (panel.Definition, error) {
	def = clean(def)
	wrong := &panel.ValidationError{}
	for field, message := range map[string]string{
		"name":        checkName(def.Name),
		"command":     checkCommand(def.Command),
		"environment": checkEnvironment(def.Environment),
		"annotation":  checkAnnotation(def.Annotation),
	} {
		if message != "" {
			wrong.Set(field, message)
		}
	}
	dir, message := checkDirectory(acct.Home, def.Directory)
	if message != "" {
		wrong.Set("directory", message)
	}
	def.Directory = dir
	c.checkOptions(def, wrong)
	if err := c.checkPort(ctx, acct, def.Port, self, wrong); err != nil {
		return def, err
	}
	return def, wrong.Err()
}

// clean removes what browsers and pasting add.
func clean(def panel.Definition) panel.Definition {
	def.Name = strings.TrimSpace(def.Name)
	def.Command = strings.TrimSpace(strings.ReplaceAll(def.Command, "\r\n", "\n"))
	def.Monitoring.Command = strings.TrimSpace(strings.ReplaceAll(def.Monitoring.Command, "\r\n", "\n"))
	def.Directory = strings.TrimSpace(def.Directory)
	def.Annotation = strings.TrimSpace(def.Annotation)
	def.Environment = strings.ReplaceAll(def.Environment, "\r\n", "\n")
	return def
}

func checkName(name string) string {
	switch {
	case name == "":
		return "Give the service a name, such as web or queue-worker."
	case len(name) > panel.MaxNameBytes:
		return fmt.Sprintf("The name has %d characters; at most %d are possible.", len(name), panel.MaxNameBytes)
	case !validName.MatchString(name):
		return "Use small letters, digits and hyphens only, beginning with a letter or digit, such as queue-worker."
	case taken[name]:
		return fmt.Sprintf("The name %q is used by the panel itself. Choose another one.", name)
	}
	return ""
}

func checkCommand(text string) string {
	if text == "" {
		return "Type the command that starts the program, such as node server.js."
	}
	if len(text) > panel.MaxCommandBytes {
		return fmt.Sprintf("The command has %d bytes; at most %d are possible. Put it into a script and start that.",
			len(text), panel.MaxCommandBytes)
	}
	if _, err := command.Parse(text); err != nil {
		return sentence(err)
	}
	return ""
}

func checkEnvironment(text string) string {
	if len(text) > panel.MaxEnvironmentBytes {
		return fmt.Sprintf("The environment has %d bytes; at most %d are possible. Keep large values in a file of the home.",
			len(text), panel.MaxEnvironmentBytes)
	}
	if _, err := environment.Parse(text); err != nil {
		return sentence(err)
	}
	return ""
}

func checkAnnotation(text string) string {
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return "The annotation holds bytes that are not text."
	case utf8.RuneCountInString(text) > panel.MaxAnnotationRunes:
		return fmt.Sprintf("The annotation has %d characters; at most %d are possible.",
			utf8.RuneCountInString(text), panel.MaxAnnotationRunes)
	}
	return ""
}

// checkDirectory returns the directory relative to the home, however it was typed. Whether it exists is seen at
// the start: it may well be made later.
func checkDirectory(home, dir string) (clean, message string) {
	switch {
	case dir == "" || dir == "~":
		return "", ""
	case len(dir) > panel.MaxDirectoryBytes:
		return dir, fmt.Sprintf("The directory has %d bytes; at most %d are possible.", len(dir), panel.MaxDirectoryBytes)
	case !utf8.ValidString(dir) || strings.ContainsRune(dir, 0):
		return dir, "The directory holds bytes that are not text."
	}
	path := dir
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		path = rest
	}
	if filepath.IsAbs(path) {
		rel, err := filepath.Rel(home, path)
		if err != nil {
			return dir, outside(home)
		}
		path = rel
	}
	path = filepath.Clean(path)
	if !filepath.IsLocal(path) {
		return dir, outside(home)
	}
	if path == "." {
		path = ""
	}
	return path, ""
}

func outside(home string) string {
	return fmt.Sprintf("The directory must lie in the home of the account, %s. Type it relative to that, such as app/current, without \"..\".", home)
}

// checkPort refuses what is out of range or taken, and names the owner only when it is the account's own.
func (c *Control) checkPort(ctx context.Context, acct panel.Account, port int, self panel.ServiceID, wrong *panel.ValidationError) error {
	if port == 0 {
		return nil
	}
	if port < panel.MinPort || port > panel.MaxPort {
		wrong.Set("port", c.withProposal(ctx, fmt.Sprintf("Only ports %d to %d are opened for services.", panel.MinPort, panel.MaxPort)))
		return nil
	}
	owner, err := c.store.PortOwner(ctx, port)
	if errors.Is(err, panel.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case owner.ID == self:
	case owner.Account == acct.ID:
		wrong.Set("port", c.withProposal(ctx, fmt.Sprintf("Port %d belongs to your service %s.", port, owner.Name)))
	default:
		wrong.Set("port", c.withProposal(ctx, fmt.Sprintf("Port %d is taken.", port)))
	}
	return nil
}

// withProposal adds the next free port to a message about one that cannot be had.
func (c *Control) withProposal(ctx context.Context, message string) string {
	if free, err := c.FreePort(ctx); err == nil && free != 0 {
		return fmt.Sprintf("%s Port %d is free.", message, free)
	}
	return message
}

// sentence makes an error fit for a person: a capital and a full stop.
func sentence(err error) string {
	text := err.Error()
	first, size := utf8.DecodeRuneInString(text)
	text = strings.ToUpper(string(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
