package main

import (
	"bytes"
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

// signIn signs the person of the world in.
func (w *world) signIn(ctx context.Context) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	br := &browser{url: w.daemon.url, http: &http.Client{Jar: jar, Timeout: 30 * time.Second,
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	form := url.Values{"email": {email}, "password": {secret}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, br.url+"/signin", strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", br.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := br.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("sign in: %s", answer.Status)
	}
	return br, nil
}

func (br *browser) close() { br.http.CloseIdleConnections() }

// get loads a page to its last byte.
func (br *browser) get(ctx context.Context, path string) ([]byte, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, br.url+path, nil)
	if err != nil {
		return nil, 0, err
	}
	begun := now()
	answer, err := br.http.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	took := now() - begun
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, answer.Status)
	}
	return body, took, err
}

// visit is what loading a page many times showed.
type visit struct {
	latency
	cpu   time.Duration // of the daemon for one page
	bytes int
	rows  int
}

// longestVisit bounds the measure of a page that is far too slow.
const longestVisit = 15 * time.Second

// visit loads a page n times on one connection. The time includes the way over the loopback address.
func (w *world) visit(ctx context.Context, path, rows string, n int) (v visit, err error) {
	br, err := w.signIn(ctx)
	if err != nil {
		return v, err
	}
	defer br.close()
	page, _, err := br.get(ctx, path)
	if err != nil {
		return v, err
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(page))
	if err != nil {
		return v, err
	}
	v.bytes, v.rows = len(page), doc.Find(rows).Length()
	before, err := cpuTime(w.daemon.pid())
	if err != nil {
		return v, err
	}
	var samples []time.Duration
	for begun := now(); len(samples) < n && now()-begun < longestVisit; {
		_, took, err := br.get(ctx, path)
		if err != nil {
			return v, err
		}
		samples = append(samples, took)
	}
	after, err := cpuTime(w.daemon.pid())
	v.latency, v.cpu = latencyOf(samples), (after-before)/time.Duration(max(len(samples), 1))
	return v, err
}

func (v visit) values() map[string]float64 {
	return map[string]float64{"p50_ms": ms(v.p50), "p95_ms": ms(v.p95), "cpu_ms": ms(v.cpu),
		"bytes": float64(v.bytes), "rows": float64(v.rows)}
}

func (v visit) String() string {
	return fmt.Sprintf("%v, %d rows, %d KiB (daemon's CPU %s ms each)", v.latency, v.rows, v.bytes>>10, millis(v.cpu))
}
