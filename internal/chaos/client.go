package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// client is one browser. It follows no redirect by itself.
type client struct{ http *http.Client }

// page is an answer of the panel.
type page struct {
	status   int
	location string
	doc      *goquery.Document
}

// longestAnswer is more than the panel's own limit of an action.
const longestAnswer = 40 * time.Second

func newClient() (*client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &client{&http.Client{Jar: jar, Timeout: longestAnswer, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// signIn returns a browser that has signed in.
func signIn(ctx context.Context) (*client, error) {
	c, err := newClient()
	if err != nil {
		return nil, err
	}
	p, err := c.get(ctx, "/signin")
	if err == nil {
		p, err = c.fill(ctx, p, "form[action='/signin']", map[string]string{"email": email, "password": secret})
	}
	if err == nil && p.status != http.StatusSeeOther {
		err = fmt.Errorf("status %d", p.status)
	}
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return c, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

func (c *client) get(ctx context.Context, path string) (*page, error) {
	return c.do(ctx, http.MethodGet, path, nil)
}

func (c *client) post(ctx context.Context, path string, fields url.Values) (*page, error) {
	return c.do(ctx, http.MethodPost, path, fields)
}

func (c *client) do(ctx context.Context, method, path string, fields url.Values) (*page, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+address)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	doc, err := goquery.NewDocumentFromReader(answer.Body)
	if err != nil {
		return nil, err
	}
	return &page{answer.StatusCode, answer.Header.Get("Location"), doc}, nil
}

// errNoForm says that a page has no form of the kind, or not its fields.
var errNoForm = errors.New("the page has no such form")

// fill types values into a form and submits it by its first button.
func (c *client) fill(ctx context.Context, p *page, selector string, values map[string]string) (*page, error) {
	form := p.doc.Find(selector)
	if form.Length() != 1 {
		return nil, fmt.Errorf("%d forms %q, status %d: %w", form.Length(), selector, p.status, errNoForm)
	}
	fields := url.Values{}
	form.Find("input[name], textarea[name]").Each(func(_ int, f *goquery.Selection) {
		name, value := f.AttrOr("name", ""), f.AttrOr("value", "")
		if goquery.NodeName(f) == "textarea" {
			value = f.Text()
		}
		if _, ticked := f.Attr("checked"); f.AttrOr("type", "") != "checkbox" || ticked {
			fields.Set(name, value)
		}
	})
	for name, value := range values {
		if form.Find(`[name="`+name+`"]`).Length() == 0 {
			return nil, fmt.Errorf("field %q: %w", name, errNoForm)
		}
		fields.Set(name, value)
	}
	return c.post(ctx, form.AttrOr("action", ""), fields)
}

// says is the message of a page about the action before.
func (p *page) says() string {
	return strings.Join(strings.Fields(p.doc.Find("#flash .flash").Text()), " ")
}

// state is that of the service whose page this is.
func (p *page) state() string { return p.doc.Find("main [data-state]").AttrOr("data-state", "") }

// pid is the main process of the service whose page this is; empty for none.
func (p *page) pid() string { return p.doc.Find("main .big[data-pid]").AttrOr("data-pid", "") }

// Paths of the panel.
func (s *service) list() string { return "/accounts/" + s.account + "/services" }
func (s *service) path() string { return s.list() + "/" + s.name }
