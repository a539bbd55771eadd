// Package static holds the style sheet, the script and the pictures of the panel, embedded, and serves them under
// addresses that change with their content.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed app.js idiomorph.min.js icons.svg favicon.svg style/*.css
var files embed.FS

// Prefix is the path below which [Handler] expects its requests.
const Prefix = "/static/"

// hashBytes of a file's SHA-256 stand in its address: enough that two versions never share one.
const hashBytes = 6

// styleSheet is the name of all of style/ as one file: a page asks for one style sheet, people read small ones.
const styleSheet = "app.css"

// sheets are the parts of the style sheet. The first one names the layers, and with them their order.
var sheets = []string{"base", "layout", "parts", "tables", "log", "forms", "pages", "narrow"}

type file struct {
	content     []byte
	contentType string
	hash        string
}

var byName = load()

// load reads the embedded files once.
func load() map[string]file {
	m := map[string]file{}
	for _, name := range []string{"app.js", "idiomorph.min.js", "icons.svg", "favicon.svg"} {
		m[name] = newFile(name, read(name))
	}
	var style []byte
	for _, name := range sheets {
		style = append(style, read("style/"+name+".css")...)
	}
	m[styleSheet] = newFile(styleSheet, style)
	return m
}

// read panics only when the program was built wrongly.
func read(name string) []byte {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return content
}

func newFile(name string, content []byte) file {
	sum := sha256.Sum256(content)
	return file{content, contentType(name), hex.EncodeToString(sum[:hashBytes])}
}

// contentType does not ask the machine, whose table of types may lack one.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// URL returns the address of a file, which changes whenever the file does. It panics for a file that does not
// exist: a page that asks for one is wrong in every request.
func URL(name string) string {
	f, ok := byName[name]
	if !ok {
		panic("static: no file " + strconv.Quote(name))
	}
	return Prefix + name + "?v=" + f.hash
}

// Handler serves the files below [Prefix]. A request that carries the right version may be kept for ever; any
// other is answered, but must be asked again.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	f, ok := byName[strings.TrimPrefix(r.URL.Path, Prefix)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	tag := `"` + f.hash + `"`
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(f.content)))
	if r.Method == http.MethodGet {
		// A client that went away cannot be told so.
		_, _ = w.Write(f.content)
	}
}
