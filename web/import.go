package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// importControl makes services of files.
type importControl interface {
	// ReadImport creates nothing. A file that cannot be read gives a *panel.MalformedError.
	ReadImport(ctx context.Context, a panel.Account, file panel.ImportFile, directory string) (panel.Import, error)
	Create(ctx context.Context, a panel.Account, def panel.Definition, paused bool, by panel.Actor) (panel.Service, error)
	// Export returns panel.ErrNotFound for a format that cannot be written, and a *panel.ValidationError for a service
	// that the format cannot hold.
	Export(a panel.Account, def panel.Definition, format panel.Format) (panel.Export, error)
}

type importHandlers struct {
	*pages
	look    *looker
	control importControl
}

func (h *importHandlers) show(c echo.Context) error {
	return h.ask(c, http.StatusOK, templates.ImportView{})
}

// read shows what a file would become, or creates what was chosen of it. The file comes with every request: nothing
// is kept between the two.
func (h *importHandlers) read(c echo.Context) error {
	f, file, err := readImportForm(c)
	if err != nil {
		return err
	}
	v := templates.ImportView{Text: file.Text, FileName: file.Name, Format: file.Format, Directory: f.get("directory")}
	in, err := h.control.ReadImport(c.Request().Context(), account(c), file, v.Directory)
	if malformed := (*panel.MalformedError)(nil); errors.As(err, &malformed) {
		v.Problems = malformed.Problems
		return h.ask(c, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	v.Found, v.Remarks = in.Format, in.Remarks
	create := f.get("then") == "create"
	v.Rows = importRows(in, f, create)
	if create {
		return h.create(c, v)
	}
	return h.ask(c, http.StatusOK, v)
}

// create makes the chosen services, each by itself: one that cannot be made keeps no other from being made.
func (h *importHandlers) create(c echo.Context, v templates.ImportView) error {
	var made []string
	failed := 0
	for i := range v.Rows {
		row := &v.Rows[i]
		if !row.Use {
			continue
		}
		svc, err := h.control.Create(c.Request().Context(), account(c), importDefinition(*row), true, actor(c))
		if err != nil {
			failed++
			row.Errors = h.rowErrors(err)
			continue
		}
		row.Name, row.Created, row.Use = svc.Name, true, false
		made = append(made, svc.Name)
	}
	switch {
	case failed == 0 && len(made) == 0:
		v.Error = "Choose at least one service"
	case failed > 0:
		v.Error = fmt.Sprintf("%s created, %d could not be", services(len(made)), failed)
	default:
		return h.flash(c, servicesPath(account(c)), templates.Flash{
			Kind: "ok", Text: services(len(made)) + " created: " + clip(strings.Join(made, ", "), maxFlashLineBytes) + ".",
			Detail: "All of them are paused: resume each when it should run.",
		})
	}
	return h.ask(c, http.StatusUnprocessableEntity, v)
}

func services(n int) string {
	if n == 1 {
		return "1 service was"
	}
	return strconv.Itoa(n) + " services were"
}

// rowErrors are what is shown beside a service that could not be created.
func (h *importHandlers) rowErrors(err error) map[string]string {
	var invalid *panel.ValidationError
	switch {
	case errors.As(err, &invalid):
		return invalid.Fields
	case errors.Is(err, panel.ErrConflict):
		return map[string]string{"name": "This name is taken by now. Choose another one."}
	case errors.Is(err, context.DeadlineExceeded):
		return map[string]string{"": "There was no time left for it. Try again."}
	}
	h.log.Error("a service of an import could not be created", "err", err)
	return map[string]string{"": "upkeep could not create it. This has been logged."}
}

// ask sends the page. Text that no page can carry is left out.
func (h *importHandlers) ask(c echo.Context, code int, v templates.ImportView) error {
	if len(v.Text) > panel.MaxImportBytes || !utf8.ValidString(v.Text) || strings.ContainsRune(v.Text, 0) {
		v.Text = ""
	}
	v.Directory = clip(v.Directory, panel.MaxDirectoryBytes)
	return h.render(c, code, templates.ImportPage(h.page(c, "Import services", "services"), v))
}

// importRows puts what a file asks for beside what was typed about it. Before anything was typed, everything that is
// possible is chosen.
func importRows(in panel.Import, f form, typed bool) []templates.ImportRow {
	rows := make([]templates.ImportRow, len(in.Drafts))
	for i, d := range in.Drafts {
		row := templates.ImportRow{Draft: d, Name: d.Name, Command: d.Command, AskCommand: d.Command == "" && d.Possible(), Use: d.Possible()}
		if d.Port != 0 {
			row.Port = strconv.Itoa(d.Port)
		}
		if typed && d.Possible() {
			field := func(name, proposal string) string {
				if value, ok := f[name+"-"+strconv.Itoa(i)]; ok {
					return clip(value, panel.MaxCommandBytes)
				}
				return proposal
			}
			row.Use = field("use", "") != ""
			row.Name, row.Port = field("name", row.Name), field("port", row.Port)
			if row.AskCommand {
				row.Command = field("command", "")
			}
		}
		rows[i] = row
	}
	return rows
}

// importDefinition is a draft with what was typed about it.
func importDefinition(row templates.ImportRow) panel.Definition {
	def := row.Draft.Definition
	def.Name, def.Command = row.Name, row.Command
	def.Port = definition(templates.ServiceForm{Port: row.Port}).Port
	return def
}

// export sends a service as a file of another supervisor.
func (h *importHandlers) export(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	out, err := h.control.Export(account(c), svc.Definition, panel.Format(c.QueryParam("format")))
	if err != nil {
		return err
	}
	c.Response().Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, out.FileName))
	return c.String(http.StatusOK, out.Text)
}
