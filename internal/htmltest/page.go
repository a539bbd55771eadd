package htmltest

import (
	"net/http"
	"strings"

	"github.com/PuerkitoBio/goquery"
)

// Page is an answer of the server.
type Page struct {
	client *Client
	path   string // with its query

	Status   int
	Redirect string // where to, empty for none
	Header   http.Header
	Body     string
	Doc      *goquery.Document
}

// Follow opens the page that this one redirects to, through further redirects, and fails the test without one.
func (p *Page) Follow() *Page {
	p.client.t.Helper()
	if p.Redirect == "" {
		p.client.t.Fatalf("%s: status %d, want a redirect\n%s", p.path, p.Status, p.Text("main"))
	}
	for range 5 {
		p = p.client.Get(p.Redirect)
		if p.Redirect == "" {
			return p
		}
	}
	p.client.t.Fatalf("%s: redirects in a circle", p.path)
	return nil
}

// Text is the text of everything that a selector finds, with runs of space made one.
func (p *Page) Text(selector string) string {
	return strings.Join(strings.Fields(p.Doc.Find(selector).Text()), " ")
}

// Title is the text of the title element.
func (p *Page) Title() string { return p.Text("head title") }

// Has reports whether a selector finds anything.
func (p *Page) Has(selector string) bool { return p.Doc.Find(selector).Length() > 0 }

// Attr is an attribute of the first element that a selector finds, empty when there is none.
func (p *Page) Attr(selector, name string) string {
	return p.Doc.Find(selector).First().AttrOr(name, "")
}

// WantStatus fails the test unless the page has a status.
func (p *Page) WantStatus(code int) *Page {
	p.client.t.Helper()
	if p.Status != code {
		p.client.t.Fatalf("%s: status %d, want %d\n%s", p.path, p.Status, code, p.Text("main"))
	}
	return p
}

// WantText fails the test unless what a selector finds contains a text.
func (p *Page) WantText(selector, text string) *Page {
	p.client.t.Helper()
	if got := p.Text(selector); !strings.Contains(got, text) {
		p.client.t.Errorf("%s: text of %q = %q, want it to contain %q", p.path, selector, got, text)
	}
	return p
}

// WantSound checks what every page must have: a title, a language, one h1, a main part, a label for each field, no
// inline script, style or handler, and no link or form that leads to another host.
func (p *Page) WantSound() *Page {
	p.client.t.Helper()
	for _, problem := range p.problems() {
		p.client.t.Errorf("%s: %s", p.path, problem)
	}
	return p
}
