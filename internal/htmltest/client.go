// Package htmltest visits the panel as a browser does: it keeps cookies, fills the forms that it finds on a page,
// and posts them with the headers that a browser sends. Pages are read with goquery.
package htmltest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// Client is one browser. It follows no redirect by itself, so that tests see them.
type Client struct {
	t       testing.TB
	address string // scheme, host and port
	http    *http.Client
}

// New starts a server for the handler, which ends with the test, and opens a browser on it.
func New(t testing.TB, handler http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newClient(t, server.URL, server.Client().Transport)
}

// Open opens a browser on a server that runs already, such as http://localhost:8080.
func Open(t testing.TB, address string) *Client {
	t.Helper()
	return newClient(t, address, http.DefaultTransport)
}

func newClient(t testing.TB, address string, transport http.RoundTripper) *Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{t: t, address: address, http: &http.Client{
		Jar:       jar,
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// Another opens a second browser, with no cookies, on the same server.
func (c *Client) Another() *Client {
	c.t.Helper()
	return newClient(c.t, c.address, c.http.Transport)
}

// URL is the address of a path on the server.
func (c *Client) URL(path string) string { return c.address + path }

// Cookie returns the value of a cookie, empty when the browser has none of that name.
func (c *Client) Cookie(name string) string {
	for _, cookie := range c.http.Jar.Cookies(c.base()) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// SetCookie gives the browser a cookie, as somebody who has stolen or planted one.
func (c *Client) SetCookie(name, value string) {
	c.http.Jar.SetCookies(c.base(), []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

func (c *Client) base() *url.URL {
	u, err := url.Parse(c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

// SignIn fills the sign-in form and fails the test unless it is accepted. It returns the page behind it.
func (c *Client) SignIn(email, password string) *Page {
	c.t.Helper()
	p := c.Get("/signin").Form("form[action='/signin']").Set("email", email).Set("password", password).Submit()
	if p.Status != http.StatusSeeOther {
		c.t.Fatalf("sign in as %s: status %d, want 303", email, p.Status)
	}
	return p.Follow()
}

// Get opens a path.
func (c *Client) Get(path string) *Page {
	c.t.Helper()
	return c.Do(c.Request(http.MethodGet, path, nil))
}

// Post sends fields to a path as a form of the panel's own pages would.
func (c *Client) Post(path string, fields url.Values) *Page {
	c.t.Helper()
	return c.Do(c.PostRequest(path, fields))
}

// PostRequest is the request that [Client.Post] sends, for a test that changes it.
func (c *Client) PostRequest(path string, fields url.Values) *http.Request {
	c.t.Helper()
	r := c.Request(http.MethodPost, path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", c.address)
	return r
}

// Request makes a request as a browser does from one of the panel's pages.
func (c *Client) Request(method, path string, body io.Reader) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.URL(path), body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	return r
}

// Send sends a request and returns the response with its body unread, for streams. The caller closes it.
func (c *Client) Send(r *http.Request) *http.Response {
	c.t.Helper()
	response, err := c.http.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	return response
}

// Do sends a request and reads the answer.
func (c *Client) Do(r *http.Request) *Page {
	c.t.Helper()
	response := c.Send(r)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("%s %s: read answer: %v", r.Method, r.URL.Path, err)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(string(body)))
	if err != nil {
		c.t.Fatalf("%s %s: parse answer: %v", r.Method, r.URL.Path, err)
	}
	return &Page{
		client: c, path: r.URL.RequestURI(),
		Status: response.StatusCode, Redirect: response.Header.Get("Location"), Header: response.Header,
		Body: string(body), Doc: doc,
	}
}
