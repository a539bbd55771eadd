package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// browser is somebody who has signed in to the panel.
type browser struct {
	http *http.Client
	url  string
}

func signIn(address string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &browser{url: address, http: &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	return b, b.post("/signin", map[string]string{"email": email, "password": passphrase})
}

// post sends a form as a page of the panel would. Everything that was done answers with a redirect.
func (b *browser) post(path string, fields map[string]string) error {
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	r, err := http.NewRequest(http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := b.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		text, _ := io.ReadAll(answer.Body) // for the message
		return fmt.Errorf("POST %s: %s: %s", path, answer.Status, text)
	}
	return nil
}

// pageTime is more than a page takes when somebody is there to make it.
const pageTime = 5 * time.Second

func (b *browser) get(path string) (*goquery.Document, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pageTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := b.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, answer.Status)
	}
	return goquery.NewDocumentFromReader(answer.Body)
}

func (b *browser) close() { b.http.CloseIdleConnections() }

// words is the text of all that was found, with runs of space made one.
func words(found *goquery.Selection) string {
	texts := found.Map(func(_ int, s *goquery.Selection) string { return s.Text() })
	return strings.Join(strings.Fields(strings.Join(texts, " ")), " ")
}
