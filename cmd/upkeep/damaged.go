package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"upkeep/internal/keeper"
	"upkeep/store"
	"upkeep/web"
)

// openAgainEvery is how often a database that could not be opened is tried again.
const openAgainEvery = 2 * time.Second

// openStore opens the database. While that fails for a reason that somebody can mend, such as a damaged file or a full
// disk, the panel's address says so, services are left as they are, and the start goes on once it is mended. The
// store is nil when a signal came first.
func (srv *server) openStore(ctx context.Context, interrupts <-chan os.Signal) (*store.Store, error) {
	path := srv.settings.database()
	st, err := store.Open(ctx, path)
	if err == nil || !store.Mendable(path, err) {
		return st, err
	}
	page := &damagedPage{srv: srv}
	page.look(ctx, err)
	stop, err := page.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	again := time.NewTicker(openAgainEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-srv.keeper.Replaced():
			fmt.Println("upkeep makes room for another binary; services run on.")
			return nil, nil
		case <-srv.keeper.StopAll():
			srv.keeper.Leave()
			fmt.Println("upkeep stops. Its services run on: without the database they cannot be stopped in order.")
			return nil, nil
		case <-interrupts:
			srv.keeper.Leave()
			fmt.Println("upkeep stops; services run on and are taken over by the next start.")
			return nil, nil
		case <-again.C:
		}
		st, err := store.Open(ctx, path)
		switch {
		case err == nil:
			srv.log.Info("the database can be used again")
			if srv.keeper == nil {
				return nil, errors.Join(st.Close(), startAgain())
			}
			return st, nil
		case !store.Mendable(path, err):
			return nil, err
		}
		page.look(ctx, err)
	}
}

// readOnly reports whether nothing can be written into the data directory, so that a keeper cannot have its socket there.
func readOnly(dir string) bool { return errors.Is(unix.Access(dir, unix.W_OK), unix.EROFS) }

// joinKeeper connects to the keeper. On a read-only disk there may be none, nor can there be one; the page of openStore
// is all there is then.
func joinKeeper(ctx context.Context, s *settings, log *slog.Logger) (*keeper.Client, error) {
	if readOnly(s.Data) {
		if _, err := keeper.Status(ctx, s.Data); err != nil {
			return nil, nil
		}
	}
	return keeper.Join(s.Data, s.Helper, log)
}

// startAgain begins this command anew, now that there can be a keeper. It returns only when that fails.
func startAgain() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}

// damagedPage is what stands in the panel's place.
type damagedPage struct {
	srv  *server
	said string
	view atomic.Pointer[web.Damage]
}

// look says what is wrong, when that is news.
func (p *damagedPage) look(ctx context.Context, err error) {
	if err.Error() == p.said {
		return
	}
	p.said = err.Error()
	p.view.Store(p.srv.describe(ctx, err))
	p.srv.log.Error("the database cannot be used; services run on", "err", err)
	fmt.Printf("upkeep cannot use its database: %v\n%s says what to do. Services run on.\n", err, p.srv.address())
}

// serve answers at the panel's address until the function is called that it returns. It works on a copy of the
// listener, so that the panel can go on with the same and no connection is refused between.
func (p *damagedPage) serve(ctx context.Context) (stop func(), err error) {
	d, err := web.NewDamaged(web.DamagedConfig{Damage: func() web.Damage { return *p.view.Load() },
		Secure: p.srv.settings.Secure, Logger: p.srv.log, Clock: time.Now})
	if err != nil {
		return nil, err
	}
	ln, err := copyListener(p.srv.listener)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx, ln) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			p.srv.log.Warn("end of the page about the database", "err", err)
		}
	}, nil
}

func copyListener(ln net.Listener) (net.Listener, error) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil, errors.New("the panel's listener cannot be shared")
	}
	f, err := tcp.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileListener(f)
}

// describe puts into words what is wrong with the database and what an administrator does about it.
func (srv *server) describe(ctx context.Context, err error) *web.Damage {
	dir := srv.settings.Data
	d := &web.Damage{Title: "The database cannot be used", Detail: err.Error()}
	step := func(text, command string) { d.Steps = append(d.Steps, web.Step{Text: text, Command: command}) }
	switch store.ReasonOf(err) {
	case store.Damage:
		d.Title = "The database is damaged"
		file, text := srv.newestSound(ctx)
		step(text, strings.Join([]string{"upkeep", "restore", "--data", shellQuote(dir), shellQuote(file)}, " "))
		step("The damaged one is kept. The panel goes on by itself, and what runs is taken over.", "")
	case store.NoSpace:
		step("There is no space left. Make room on the file system of upkeep's data; the panel then goes on by itself.",
			"df -h -i "+shellQuote(dir))
	case store.ReadOnly:
		step("upkeep must be able to write its data. Mend that; the panel then goes on by itself.",
			"findmnt --target "+shellQuote(dir))
	case store.Busy:
		step("Another program holds the database. End it; the panel then goes on by itself.",
			"fuser -v "+shellQuote(srv.settings.database()))
	default:
		step("The disk does not answer as it should. The panel goes on by itself once it does.", "dmesg --level err,warn")
	}
	d.Message = d.Title + ", so the panel cannot show or change anything. The administrator of this machine has to mend it."
	return d
}

// newestSound is the newest of upkeep's own backups that looks sound, and what to say of it. Each was verified when it
// was made, and a restore looks at all of it once more.
func (srv *server) newestSound(ctx context.Context) (file, text string) {
	all, err := store.Backups(srv.settings.database())
	if err != nil {
		srv.log.Warn("list backups", "err", err)
	}
	for _, b := range all {
		if _, err := store.Inspect(ctx, b.Path, false); err != nil {
			srv.log.Warn("a backup cannot be used", "err", err)
			continue
		}
		return b.Path, fmt.Sprintf("Restore the newest backup, made at %s (%s):",
			b.At.Local().Format("2006-01-02 15:04 MST"), humanize.IBytes(uint64(b.Size)))
	}
	return "FILE", "upkeep has no usable backup of its own in " + store.BackupDir(srv.settings.database()) +
		". Restore one that you keep elsewhere:"
}

// shellQuote makes a word of any text, for a command that a person copies.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
