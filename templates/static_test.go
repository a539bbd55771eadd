package templates

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"upkeep/static"
)

// served is the content of a static file.
func served(t *testing.T, name string) string {
	t.Helper()
	w := httptest.NewRecorder()
	static.Handler().ServeHTTP(w, httptest.NewRequest("GET", static.URL(name), nil))
	content, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestEveryIconExists(t *testing.T) {
	sprite := served(t, "icons.svg")
	each(t, func(t *testing.T, doc *goquery.Document) {
		doc.Find("use").Each(func(_ int, s *goquery.Selection) {
			_, name, _ := strings.Cut(s.AttrOr("href", ""), "#")
			if !strings.Contains(sprite, `<symbol id="`+name+`"`) {
				t.Errorf("no icon %q", name)
			}
		})
	})
}

func TestTheScriptListensToEveryFragment(t *testing.T) {
	script := served(t, "app.js")
	for _, name := range []string{IDServicesSummary, IDServicesTable, IDServiceHead, IDServiceFacts, IDServiceLines,
		IDServiceRuns, IDProcessesTable, EventNow, EventReset} {
		if !strings.Contains(script, `"`+name+`"`) {
			t.Errorf("the script does not know the event %q", name)
		}
	}
}
