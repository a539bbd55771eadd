package htmltest

import (
	"net/url"

	"github.com/PuerkitoBio/goquery"
)

// Form is a form of a page with the values it has at the moment.
type Form struct {
	page   *Page
	form   *goquery.Selection
	Action string
	Method string
	Values url.Values
}

// Form finds a form by a selector and fails the test unless there is exactly one.
func (p *Page) Form(selector string) *Form {
	p.client.t.Helper()
	found := p.Doc.Find(selector)
	if found.Length() != 1 || goquery.NodeName(found) != "form" {
		p.client.t.Fatalf("%s (status %d): %d forms %q, want 1", p.path, p.Status, found.Length(), selector)
	}
	f := &Form{page: p, form: found, Action: found.AttrOr("action", p.path), Method: found.AttrOr("method", "get")}
	f.Values = presentValues(found)
	return f
}

// presentValues are what a browser would send if the form were submitted untouched, without any button.
func presentValues(form *goquery.Selection) url.Values {
	values := url.Values{}
	form.Find("input[name], select[name], textarea[name]").Each(func(_ int, s *goquery.Selection) {
		name := s.AttrOr("name", "")
		if _, disabled := s.Attr("disabled"); disabled {
			return
		}
		switch goquery.NodeName(s) {
		case "textarea":
			values.Add(name, s.Text())
		case "select":
			values.Add(name, chosen(s))
		default:
			if value, ok := inputValue(s); ok {
				values.Add(name, value)
			}
		}
	})
	return values
}

func chosen(list *goquery.Selection) string {
	option := list.Find("option[selected]").First()
	if option.Length() == 0 {
		option = list.Find("option").First()
	}
	return option.AttrOr("value", option.Text())
}

func inputValue(s *goquery.Selection) (string, bool) {
	switch s.AttrOr("type", "text") {
	case "checkbox", "radio":
		_, checked := s.Attr("checked")
		return s.AttrOr("value", "on"), checked
	case "submit", "button", "image", "reset", "file":
		return "", false
	}
	return s.AttrOr("value", ""), true
}

// Set types a value into a field, and fails the test when the form has no such field.
func (f *Form) Set(name, value string) *Form {
	f.page.client.t.Helper()
	f.mustHave(name)
	f.Values.Set(name, value)
	return f
}

// Check ticks a box, or takes the tick away.
func (f *Form) Check(name string, ticked bool) *Form {
	f.page.client.t.Helper()
	f.mustHave(name)
	f.Values.Del(name)
	if ticked {
		f.Values.Set(name, f.form.Find(`[name="`+name+`"]`).AttrOr("value", "on"))
	}
	return f
}

func (f *Form) mustHave(name string) {
	f.page.client.t.Helper()
	if f.form.Find(`[name="`+name+`"]`).Length() == 0 {
		f.page.client.t.Fatalf("%s: form %s has no field %q", f.page.path, f.Action, name)
	}
}

// Submit sends the form as it is, as the Enter key does: with the name of its first submit button.
func (f *Form) Submit() *Page {
	f.page.client.t.Helper()
	return f.submit(f.form.Find("button:not([type=button]), input[type=submit]").First())
}

// Press sends the form with one of its buttons, found by a selector.
func (f *Form) Press(selector string) *Page {
	f.page.client.t.Helper()
	button := f.form.Find(selector)
	if button.Length() != 1 {
		f.page.client.t.Fatalf("%s: %d buttons %q in form %s, want 1", f.page.path, button.Length(), selector, f.Action)
	}
	return f.submit(button)
}

func (f *Form) submit(button *goquery.Selection) *Page {
	f.page.client.t.Helper()
	if name := button.AttrOr("name", ""); name != "" {
		f.Values.Set(name, button.AttrOr("value", ""))
	}
	action := button.AttrOr("formaction", f.Action)
	c := f.page.client
	if f.Method != "post" {
		return c.Get(action + "?" + f.Values.Encode())
	}
	r := c.PostRequest(action, f.Values)
	r.Header.Set("Referer", c.URL(f.page.path))
	return c.Do(r)
}
