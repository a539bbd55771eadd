package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// serving is a server on a socket of which a copy is kept, as the keeper keeps one.
type serving struct {
	t       *testing.T
	server  *Server
	kept    *net.TCPListener
	address string
}

func newServing(t *testing.T, handler http.HandlerFunc) *serving {
	t.Helper()
	server := newBareSite(t, time.Now()).server
	if handler != nil {
		server.handler = handler
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &serving{t: t, server: server, kept: ln.(*net.TCPListener), address: ln.Addr().String()}
}

// run serves on a copy of the socket. stop begins the end and returns at once; ended says how Run ended.
func (s *serving) run() (stop func(), ended <-chan error) {
	s.t.Helper()
	f, err := s.kept.File()
	if err != nil {
		s.t.Fatal(err)
	}
	ln, err := net.FileListener(f)
	f.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.server.Run(ctx, ln) }()
	s.t.Cleanup(cancel)
	return cancel, done
}

// dial opens a connection and sends text on it.
func (s *serving) dial(text string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err == nil {
		_, err = io.WriteString(conn, text)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn, bufio.NewReader(conn)
}

const getLivez = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"

func readAnswer(t *testing.T, r *bufio.Reader) (status int, body string, closes bool) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("half an answer: %v", err)
	}
	return resp.StatusCode, string(text), resp.Close
}

// A request under way is answered whole, and one that comes meanwhile waits for the next server on the same socket.
func TestEndOfServing(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	s := newServing(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			fmt.Fprintln(w, "half")
			_ = http.NewResponseController(w).Flush()
			close(begun)
			<-finish
		}
		fmt.Fprintln(w, "whole")
	})
	stop, ended := s.run()
	_, idle := s.dial(getLivez)
	if status, _, closes := readAnswer(t, idle); status != 200 || closes {
		t.Fatalf("first answer: %d, closes %v", status, closes)
	}
	_, slow := s.dial("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-begun
	stop()
	if _, err := idle.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("idle connection: %v, want it closed", err)
	}
	_, waiting := s.dial(getLivez)
	select {
	case err := <-ended:
		t.Fatalf("Run has ended before its request: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	if status, body, _ := readAnswer(t, slow); status != 200 || body != "half\nwhole\n" {
		t.Errorf("request under way: %d %q", status, body)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	stop, ended = s.run()
	if status, body, _ := readAnswer(t, waiting); status != 200 || body != "whole\n" {
		t.Errorf("request that waited: %d %q", status, body)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("second Run: %v", err)
	}
}

// Servers take turns on one socket while people ask: no request fails, on new connections and on kept ones.
func TestServersTakeTurns(t *testing.T) {
	s := newServing(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	done := make(chan struct{})
	var group sync.WaitGroup
	var asked atomic.Int64
	for i := range 4 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}, Timeout: time.Minute}
		group.Go(func() {
			defer client.CloseIdleConnections()
			for {
				select {
				case <-done:
					return
				default:
				}
				// A client does not send that again by itself, as it would what changes nothing.
				resp, err := client.Post("http://"+s.address+"/livez", "text/plain", strings.NewReader("x"))
				if err != nil {
					t.Errorf("request: %v", err)
					return
				}
				if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), "ok") {
					t.Errorf("answer: %d %q %v", resp.StatusCode, text, err)
				}
				resp.Body.Close()
				asked.Add(1)
			}
		})
	}
	for range 30 {
		stop, ended := s.run()
		before := asked.Load()
		for end := time.Now().Add(time.Minute); asked.Load() < before+20 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	close(done)
	stop, _ := s.run() // for the last ones
	defer stop()
	group.Wait()
	t.Logf("%d requests", asked.Load())
}

// A connection that never sent a request is waited for a second, and a request five.
func TestWaitAtTheEnd(t *testing.T) {
	for _, c := range []struct {
		what  string
		state http.ConnState
		left  int
		after time.Duration
	}{
		{"silent", http.StateNew, 0, newTime},
		{"idle", http.StateIdle, 0, newTime},
		{"endless", http.StateActive, 1, drainTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			conns := connections{states: map[net.Conn]http.ConnState{}, changed: make(chan struct{}, 1)}
			conn, other := net.Pipe()
			defer conn.Close()
			defer other.Close()
			conns.note(conn, http.StateNew)
			conns.note(conn, c.state)
			begin := time.Now()
			if left := conns.wait(newTime, drainTime); left != c.left || time.Since(begin) != c.after {
				t.Errorf("%s connection: %d left after %v, want %d after %v", c.what, left, time.Since(begin), c.left, c.after)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			conns := connections{states: map[net.Conn]http.ConnState{}, changed: make(chan struct{}, 1)}
			conn, other := net.Pipe()
			defer conn.Close()
			defer other.Close()
			conns.note(conn, c.state)
			go func() {
				time.Sleep(newTime / 2)
				conns.note(conn, http.StateClosed)
			}()
			begin := time.Now()
			if left := conns.wait(newTime, drainTime); left != 0 || time.Since(begin) != newTime/2 {
				t.Errorf("%s connection that is closed: %d left after %v, want 0 at once", c.what, left, time.Since(begin))
			}
		})
	}
}
