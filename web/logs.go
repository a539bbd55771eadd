package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/internal/panel"
	"upkeep/templates"
)

// linesPerPage of the log.
const linesPerPage = 500

// logOpener gives a whole log file and its size. panel.ErrNotFound means that there is none yet.
type logOpener interface {
	OpenLog(ctx context.Context, a panel.Account, svc panel.Service) (io.ReadCloser, int64, error)
}

type logsHandlers struct {
	*pages
	look *looker
	logs Logs
}

func (h *logsHandlers) show(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	a, ctx := account(c), c.Request().Context()
	rows, err := h.look.withStatus(ctx, a, []panel.Service{svc})
	if err != nil {
		return err
	}
	extract, err := h.logs.Extract(ctx, a, svc, readLogQuery(c.QueryParams()))
	reason := unreadable(err)
	if err != nil && reason == "" && !errors.Is(err, panel.ErrNotFound) {
		return err
	}
	p, err := h.arrive(c, svc.Name+" – Logs", "services")
	if err != nil {
		return err
	}
	v := templates.LogsView{
		Service: svc, Status: rows[0].Status, Extract: extract,
		Display: logPath(a, svc.Name, extract.Path), Newest: !extract.Newer, Unreadable: reason,
	}
	return h.render(c, http.StatusOK, templates.LogsPage(p, v))
}

// unreadable explains an error that stands in the account's own home: it is no fault of the panel, and nothing is
// forbidden to the person. It is empty for other errors, and for none.
func unreadable(err error) string {
	switch {
	case errors.Is(err, panel.ErrForbidden):
		return "A link, or something else that is not a plain file of the account's own, stands in its place or on the " +
			"way to it. upkeep follows no link in a home."
	case errors.Is(err, fs.ErrPermission):
		return "The account has no right to read the file, or to enter a folder on the way to it."
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return "It cannot be read at the moment. The system says: " + errno.Error() + "."
	}
	return ""
}

// readLogQuery reads which window of the log an address means; the newest lines when it does not say.
func readLogQuery(q url.Values) panel.LogQuery {
	query := panel.LogQuery{Lines: linesPerPage}
	if n, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil && n > 0 {
		query.Before = panel.Position(n)
		return query
	}
	if n, err := strconv.ParseInt(q.Get("after"), 10, 64); err == nil && n >= 0 {
		query.After, query.HasAfter = panel.Position(n), true
	}
	return query
}

// logPath writes the path of a log as its owner knows it: below ~. An unknown path is where logs belong.
func logPath(a panel.Account, name, path string) string {
	if path == "" {
		return "~/admin/logs/services/" + name + ".log"
	}
	if below, ok := strings.CutPrefix(path, strings.TrimSuffix(a.Home, "/")+"/"); ok {
		return "~/" + below
	}
	return path
}

// download sends the whole log, as it is at this moment.
func (h *logsHandlers) download(c echo.Context) error {
	svc, err := h.look.named(c)
	if err != nil {
		return err
	}
	file, size, err := h.logs.OpenLog(c.Request().Context(), account(c), svc)
	if unreadable(err) != "" {
		return c.Redirect(http.StatusSeeOther, servicePath(account(c), svc.Name)+"/logs") // which says why
	}
	if errors.Is(err, panel.ErrNotFound) {
		file, size, err = io.NopCloser(strings.NewReader("")), 0, nil // nothing was printed yet
	}
	if err != nil {
		return err
	}
	header := c.Response().Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.log"`, svc.Name))
	header.Set("Content-Length", strconv.FormatInt(size, 10))
	c.Response().WriteHeader(http.StatusOK)
	err = send(c, io.LimitReader(file, size)) // the program goes on writing
	return errors.Join(err, file.Close())
}

// Of a download: how much is sent at once, and how long that may take.
const (
	chunkBytes = 256 << 10
	chunkTime  = time.Minute
)

// send copies a file to the browser. Each chunk has its own deadline, so that the size of the file does not
// matter, but a reader that stopped reading does.
func send(c echo.Context, file io.Reader) error {
	control := http.NewResponseController(c.Response())
	for {
		if err := control.SetWriteDeadline(time.Now().Add(chunkTime)); err != nil &&
			!errors.Is(err, http.ErrNotSupported) {
			return err
		}
		_, err := io.CopyN(c.Response(), file, chunkBytes)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("send log: %w", err)
		}
	}
}
