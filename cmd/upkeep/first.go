package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"upkeep/internal/panel"
	"upkeep/internal/token"
)

// firstEmail is the person made when nobody could sign in otherwise.
const firstEmail = "admin@localhost"

// linkTime is how long a sign-in link works.
const linkTime = 7 * 24 * time.Hour

// announce prints where the panel is and, as long as nobody has a password, a link for the first sign-in.
func (srv *server) announce(ctx context.Context) error {
	address := srv.address()
	fmt.Printf("upkeep is ready: %s\n", address)
	ready, err := srv.store.AnyoneCanSignIn(ctx)
	if err != nil || ready {
		return err
	}
	users, err := srv.store.Users(ctx)
	if err != nil {
		return err
	}
	var first panel.User
	if len(users) > 0 {
		first = users[0]
	} else if first, err = srv.store.CreateUser(ctx, firstEmail, "", true, nil); err != nil {
		return err
	}
	link, err := newLink(ctx, srv.store, first.ID)
	if err != nil {
		return err
	}
	fmt.Printf("First sign-in, as %s (the link works once, for 7 days): %s%s\n", first.Email, address, link)
	return nil
}

// address is what to type into a browser.
func (srv *server) address() string {
	host, port, err := net.SplitHostPort(srv.listener.Addr().String())
	if err != nil {
		return srv.listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	scheme := "http://"
	if srv.settings.Secure {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

// linkStore is what a new link needs.
type linkStore interface {
	CreateLink(ctx context.Context, user panel.UserID, tokenHash []byte, expires time.Time) error
}

// newLink makes a one-time sign-in link and returns its path.
func newLink(ctx context.Context, s linkStore, user panel.UserID) (path string, err error) {
	secret, hash := token.New()
	if err := s.CreateLink(ctx, user, hash, time.Now().Add(linkTime)); err != nil {
		return "", err
	}
	return "/welcome/" + secret, nil
}
