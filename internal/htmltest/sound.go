package htmltest

import (
	"fmt"
	"strings"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"
)

// problems lists what is wrong with a page whatever it is about.
func (p *Page) problems() []string {
	var found []string
	note := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if p.Title() == "" {
		note("no title")
	}
	if p.Attr("html", "lang") == "" {
		note("no language")
	}
	for _, one := range []string{"h1", "main"} {
		if n := p.Doc.Find(one).Length(); n != 1 {
			note("%d elements %s, want 1", n, one)
		}
	}
	if n := p.Doc.Find("style, script:not([src]), [style]").Length(); n > 0 {
		note("%d inline scripts or styles", n)
	}
	p.Doc.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, attr := range s.Nodes[0].Attr {
			if problem := attributeProblem(attr); problem != "" {
				note("%s: %s", goquery.NodeName(s), problem)
			}
		}
	})
	p.Doc.Find("input:not([type=hidden]):not([aria-hidden=true]), select, textarea").Each(func(_ int, s *goquery.Selection) {
		if !p.labelled(s) {
			note("field %q has no label", s.AttrOr("name", ""))
		}
	})
	return append(found, p.repeatedIDs()...)
}

func attributeProblem(attr html.Attribute) string {
	switch {
	case strings.HasPrefix(attr.Key, "on"):
		return "inline handler " + attr.Key
	case (attr.Key == "action" || attr.Key == "formaction") && !strings.HasPrefix(attr.Val, "/"):
		return "form that leads to " + attr.Val
	case attr.Key == "src" && !strings.HasPrefix(attr.Val, "/"):
		return "file from " + attr.Val
	}
	return ""
}

func (p *Page) labelled(field *goquery.Selection) bool {
	if field.AttrOr("aria-label", "") != "" || field.AttrOr("aria-labelledby", "") != "" {
		return true
	}
	id, ok := field.Attr("id")
	return field.Closest("label").Length() > 0 || ok && p.Has(`label[for="`+id+`"]`)
}

func (p *Page) repeatedIDs() []string {
	var found []string
	seen := map[string]bool{}
	p.Doc.Find("[id]").Each(func(_ int, s *goquery.Selection) {
		id := s.AttrOr("id", "")
		if seen[id] {
			found = append(found, fmt.Sprintf("id %q comes twice", id))
		}
		seen[id] = true
	})
	return found
}
