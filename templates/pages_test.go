package templates

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"upkeep/internal/panel"
)

// render parses what a component writes.
func render(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// text is what a person reads there, with single spaces. The text of two elements is never one word.
func text(s *goquery.Selection) string {
	var words []string
	for _, node := range s.Nodes {
		for n := range node.Descendants() {
			if n.Type == html.TextNode {
				words = append(words, strings.Fields(n.Data)...)
			}
		}
	}
	return strings.Join(words, " ")
}

// each runs a check on every page of the sample.
func each(t *testing.T, check func(t *testing.T, doc *goquery.Document)) {
	for name, page := range gallery() {
		t.Run(name, func(t *testing.T) { check(t, render(t, page)) })
	}
}

func TestEveryPageIsWhole(t *testing.T) {
	each(t, func(t *testing.T, doc *goquery.Document) {
		for selector, want := range map[string]int{
			"h1": 1, "main": 1, "main#main": 1, "title": 1, "html[lang=en]": 1, "a.skip[href='#main']": 1, "#flash": 1,
			"style, script:not([src]), [style], iframe, base": 0,
		} {
			if got := doc.Find(selector).Length(); got != want {
				t.Errorf("%d of %q, want %d", got, selector, want)
			}
		}
		if title := doc.Find("title").Text(); !strings.HasSuffix(title, " · upkeep") {
			t.Errorf("title %q", title)
		}
		doc.Find("*").Each(func(_ int, s *goquery.Selection) {
			for _, attr := range s.Nodes[0].Attr {
				if strings.HasPrefix(attr.Key, "on") {
					t.Errorf("inline handler %s", attr.Key)
				}
			}
		})
	})
}

func TestEveryIDIsUniqueAndEveryReferenceLeadsSomewhere(t *testing.T) {
	each(t, func(t *testing.T, doc *goquery.Document) {
		seen := map[string]bool{}
		doc.Find("[id]").Each(func(_ int, s *goquery.Selection) {
			id := s.AttrOr("id", "")
			if seen[id] {
				t.Errorf("id %q comes twice", id)
			}
			seen[id] = true
		})
		for _, attr := range []string{"for", "aria-labelledby", "aria-describedby", "popovertarget"} {
			doc.Find("[" + attr + "]").Each(func(_ int, s *goquery.Selection) {
				for _, id := range strings.Fields(s.AttrOr(attr, "")) {
					if !seen[id] {
						t.Errorf("%s=%q leads nowhere", attr, id)
					}
				}
			})
		}
		doc.Find("a[href^='#']").Each(func(_ int, s *goquery.Selection) {
			if id := s.AttrOr("href", "")[1:]; !seen[id] {
				t.Errorf("link #%s leads nowhere", id)
			}
		})
	})
}

func TestEveryControlHasAName(t *testing.T) {
	each(t, func(t *testing.T, doc *goquery.Document) {
		doc.Find("input:not([type=hidden]):not([aria-hidden]), textarea, select").Each(func(_ int, s *goquery.Selection) {
			label := doc.Find("label[for='" + s.AttrOr("id", "-") + "']").AddSelection(s.Closest("label"))
			if text(label) == "" {
				t.Errorf("field %q has no label", s.AttrOr("name", ""))
			}
		})
		doc.Find("button, a, summary").Each(func(_ int, s *goquery.Selection) {
			if text(s) == "" && s.AttrOr("aria-label", "") == "" {
				html, _ := goquery.OuterHtml(s)
				t.Errorf("no name: %s", html)
			}
		})
		doc.Find("[role=region], nav").Each(func(_ int, s *goquery.Selection) {
			if s.AttrOr("aria-label", "") == "" {
				t.Errorf("a landmark %s has no name", goquery.NodeName(s))
			}
		})
	})
}

func TestEveryTableNamesItsColumnsAndRows(t *testing.T) {
	each(t, func(t *testing.T, doc *goquery.Document) {
		doc.Find("table").Each(func(_ int, table *goquery.Selection) {
			columns := table.Find("thead th[scope=col]")
			if columns.Length() == 0 || table.Find("caption").Length() != 1 {
				t.Error("a table has no heads or no caption")
			}
			columns.Each(func(_ int, s *goquery.Selection) {
				if text(s) == "" {
					t.Error("a column has no name")
				}
			})
			table.Find("tbody tr").Each(func(_ int, row *goquery.Selection) {
				if row.Find("th[scope=row]").Length() != 1 || row.Children().Length() != columns.Length() {
					t.Errorf("row %q has %d cells for %d columns", text(row), row.Children().Length(), columns.Length())
				}
			})
		})
	})
}

func TestActionsArePosts(t *testing.T) {
	reading := map[string]bool{"/accounts/alice/services": true, "/accounts/alice/processes/services": true}
	each(t, func(t *testing.T, doc *goquery.Document) {
		doc.Find("form").Each(func(_ int, s *goquery.Selection) {
			action := s.AttrOr("action", "")
			if !strings.HasPrefix(action, "/") {
				t.Errorf("a form leads to %q", action)
			}
			if s.AttrOr("method", "") != "post" && !reading[action] {
				t.Errorf("form %s is not a post", action)
			}
		})
		doc.Find("button:not([type])").Each(func(_ int, s *goquery.Selection) {
			if s.Closest("form").Length() == 0 {
				t.Errorf("button %q does nothing without a script", text(s))
			}
		})
		doc.Find("a[href]").Each(func(_ int, s *goquery.Selection) {
			for _, verb := range []string{"restart", "restart-hard", "pause", "resume", "start", "end", "signout"} {
				if strings.HasSuffix(s.AttrOr("href", ""), "/"+verb) {
					t.Errorf("a link does %s", verb)
				}
			}
		})
	})
}

func TestFailedPagesSayErrorFirst(t *testing.T) {
	for name, page := range gallery() {
		title := render(t, page).Find("title").Text()
		want := name == "form-new" || name == "import-error" || name == "import-result" || name == "delete" || name == "signin" || name == "damaged" || strings.HasPrefix(name, "error")
		if got := strings.HasPrefix(title, "Error: "); got != want {
			t.Errorf("%s has the title %q", name, title)
		}
	}
	p := samplePage("Error: Not found", "")
	if got := render(t, ErrorPage(p, ErrorView{})).Find("title").Text(); got != "Error: Not found · upkeep" {
		t.Errorf("got %q", got)
	}
}

// evil is markup that shows itself wherever it becomes more than text.
const evil = `"><script>alert(1)</script><b class='x' onclick=y>&lt;`

// poison puts evil into every text of a value, however deep.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type() != reflect.TypeFor[time.Time]() && v.Type().Field(i).IsExported() {
				poison(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(evil))
			return
		}
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			for _, key := range v.MapKeys() {
				v.SetMapIndex(key, reflect.ValueOf(evil))
			}
		}
	}
}

func poisoned[V any](v V) V {
	poison(reflect.ValueOf(&v).Elem())
	return v
}

func TestMarkupStaysText(t *testing.T) {
	p := samplePage("x", "services")
	p.Events = "x"
	p.Flash = &Flash{Kind: "bad", Text: "x", Detail: "x", Lines: []string{"x"}, Action: &Action{Label: "x", Path: "x"}}
	p = poisoned(p)
	service := sampleService(4)
	service.Pending, service.Warnings = true, sampleForm().Warnings
	for name, page := range map[string]templ.Component{
		"services":  ServicesPage(p, poisoned(sampleServices())),
		"no match":  ServicesPage(p, poisoned(ServicesView{Total: 1})),
		"service":   ServicePage(p, poisoned(service)),
		"dead":      ServicePage(p, poisoned(sampleService(0))),
		"form":      ServiceFormPage(p, poisoned(sampleForm())),
		"choice":    ServiceFormPage(p, poisoned(ServiceForm{Templates: sampleTemplates()})),
		"started":   ServiceFormPage(p, poisoned(ServiceForm{Chosen: &sampleTemplates()[0]})),
		"import":    ImportPage(p, poisoned(sampleImport())),
		"logs":      LogsPage(p, poisoned(LogsView{Extract: sampleExtract()})),
		"processes": ProcessesPage(p, poisoned(sampleProcesses())),
		"delete":    DeletePage(p, poisoned(sampleDelete())),
		"sign in":   SignInPage(p, poisoned(SignInView{})),
		"welcome":   WelcomePage(p, poisoned(WelcomeView{})),
		"accounts":  AccountsPage(p, poisoned(AccountsView{Accounts: make([]panel.Account, 2)})),
		"error":     ErrorPage(p, poisoned(ErrorView{Code: 500})),
	} {
		doc := render(t, page)
		if n := doc.Find("script:not([src]), [onclick], b.x").Length(); n > 0 {
			t.Errorf("%s: text became %d elements", name, n)
		}
		if !strings.Contains(doc.Text(), "<script>alert(1)</script>") {
			t.Errorf("%s does not show its texts", name)
		}
	}
}
