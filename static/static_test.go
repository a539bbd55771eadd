package static

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, target string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestFilesAreServedForEver(t *testing.T) {
	for name, contentType := range map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8",
		"idiomorph.min.js": "text/javascript; charset=utf-8", "icons.svg": "image/svg+xml", "favicon.svg": "image/svg+xml",
	} {
		resp := get(t, "GET", URL(name), nil)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != contentType ||
			!strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %s %v", name, resp.Status, resp.Header)
		}
		if resp.ContentLength == 0 {
			t.Errorf("%s is empty", name)
		}
	}
}

func TestAnotherVersionIsAskedForAgain(t *testing.T) {
	for _, target := range []string{"/static/app.css", "/static/app.css?v=old"} {
		resp := get(t, "GET", target, nil)
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %s, %s", target, resp.Status, resp.Header.Get("Cache-Control"))
		}
		again := get(t, "GET", target, http.Header{"If-None-Match": {resp.Header.Get("ETag")}})
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s is sent again: %s", target, again.Status)
		}
	}
}

func TestNothingElseIsServed(t *testing.T) {
	for _, path := range []string{"/static/", "/static/static.go", "/static/vendor/README.md", "/static/../static/app.css", "/app.css"} {
		if resp := get(t, "GET", path, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if resp := get(t, "POST", URL("app.js"), nil); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", resp.Status)
	}
	if resp := get(t, "HEAD", URL("app.js"), nil); resp.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %s", resp.Status)
	}
}

func TestUnknownFilePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a page may link to a file that does not exist")
		}
	}()
	URL("missing.css")
}

// The script budget of a page is 60 kB, before compression.
func TestScriptsAreSmall(t *testing.T) {
	if n := len(byName["app.js"].content) + len(byName["idiomorph.min.js"].content); n > 60_000 {
		t.Errorf("scripts have %d bytes", n)
	}
}

// A file of others is what the list says it is.
func TestVendoredFilesAreListed(t *testing.T) {
	list, err := os.ReadFile("vendor/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"idiomorph.min.js", "icons.svg"} {
		sum := sha256.Sum256(byName[name].content)
		line := regexp.MustCompile("(?m)^.*`\\.\\./" + regexp.QuoteMeta(name) + "`.*$").FindString(string(list))
		if !strings.Contains(line, hex.EncodeToString(sum[:])) {
			t.Errorf("%s is not listed with its hash %x", name, sum)
		}
	}
}

func TestEverySheetIsServed(t *testing.T) {
	entries, err := os.ReadDir("style")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(sheets) {
		t.Errorf("%d files in style, %d of them served", len(entries), len(sheets))
	}
}

// Nothing is fetched from elsewhere, and nothing needs what a strict content policy forbids.
func TestScriptAndStyleStayWithinThePolicy(t *testing.T) {
	for name, forbidden := range map[string]string{
		"app.css":          `@import|url\(|https?:`,
		"app.js":           `\beval\b|new Function|https?:|\.style\b|cssText|insertAdjacentHTML|document\.write`,
		"idiomorph.min.js": `\beval\(|new Function|\.cssText|document\.write`,
	} {
		if found := regexp.MustCompile(forbidden).FindString(string(byName[name].content)); found != "" {
			t.Errorf("%s contains %q", name, found)
		}
	}
}
