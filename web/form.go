package web

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// maxFields is more than any form of the panel has, but that of an import.
const maxFields = 50

// form is what a browser posted: each field once. Line breaks are as typed, not the pairs that browsers send.
type form map[string]string

func (f form) get(name string) string { return f[name] }

// flawed names the fields that hold bytes which no keyboard types: NUL, or what is not UTF-8.
func (f form) flawed() []string {
	var names []string
	for name, value := range f {
		if strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
			names = append(names, name)
		}
	}
	return names
}

// readForm reads the body of a request; fields in the address do not count. Errors are errBadForm, errFormKind or
// *http.MaxBytesError.
func readForm(c echo.Context) (form, error) {
	r := c.Request()
	if err := parseBody(r); err != nil {
		return nil, err
	}
	if r.MultipartForm != nil && len(r.MultipartForm.File) > 0 {
		return nil, fmt.Errorf("%w: a file", errBadForm)
	}
	return once(r.PostForm, maxFields)
}

// parseBody reads a form of either kind. The body is limited, so all of it fits into memory and no file is made.
func parseBody(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return errFormKind
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		err = r.ParseForm()
	case "multipart/form-data":
		err = r.ParseMultipartForm(maxBodyBytes)
	default:
		return errFormKind
	}
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errBadForm, err)
	}
	return nil
}

// once refuses fields that come twice: which one counts would be anybody's guess.
func once(values url.Values, most int) (form, error) {
	if len(values) > most {
		return nil, fmt.Errorf("%w: %d fields", errBadForm, len(values))
	}
	f := make(form, len(values))
	for name, v := range values {
		if len(v) != 1 {
			return nil, fmt.Errorf("%w: a field comes %d times", errBadForm, len(v))
		}
		f[name] = strings.ReplaceAll(v[0], "\r\n", "\n")
	}
	return f, nil
}

// readCleanForm is readForm for forms in which flawed text can be no honest mistake.
func readCleanForm(c echo.Context) (form, error) {
	f, err := readForm(c)
	if err != nil {
		return nil, err
	}
	if names := f.flawed(); len(names) > 0 {
		return nil, fmt.Errorf("%w: field %q is no text", errBadForm, names[0])
	}
	return f, nil
}

// localPath returns a path of the panel to go to, "/" for anything that could lead elsewhere. Browsers read a
// second slash, or a backslash, as the start of a host name, and skip control characters.
func localPath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) {
		return "/"
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "/"
	}
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return u.RequestURI()
}
