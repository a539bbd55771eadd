package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"upkeep/internal/control"
	"upkeep/internal/drain"
	"upkeep/internal/failpoint"
	"upkeep/internal/keeper"
	"upkeep/internal/logs"
	"upkeep/internal/panel"
	"upkeep/internal/privilege"
	"upkeep/internal/supervisor"
	"upkeep/store"
	"upkeep/web"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the panel and the supervisor",
		Long: `Run the panel and the supervisor in the foreground.

Services are never hurt by upkeep's own comings and goings: after SIGTERM, or a crash, they run on, and the next
"upkeep serve" takes them over. Ctrl-C in a terminal stops them too, and says so.

The process that is started becomes a small keeper, which starts the daemon as its child, and again when that one
ends without having been asked to.`,
		Args: args(cobra.NoArgs),
	}
	demo := cmd.Flags().Bool("demo", false, "on the first start, make an account with example services")
	cmd.Flags().String("listen", "localhost:8080", "address of the panel")
	cmd.Flags().Bool("secure", false, "browsers speak TLS, to a proxy in front of upkeep")
	cmd.Flags().StringSlice("trusted-proxies", nil, "networks whose X-Forwarded-For is believed")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := readSettings(cmd.Flags())
		if err != nil {
			return err
		}
		if s.Listen == "" { // it would mean any port, open to everybody
			return &exitError{errors.New("settings: listen must not be empty"), exitInvalid}
		}
		if !keeper.Below() && !readOnly(s.Data) {
			return becomeKeeper(s)
		}
		return serve(cmd.Context(), s, *demo)
	}
	return cmd
}

// server is everything that "upkeep serve" puts together.
type server struct {
	settings *settings
	log      *slog.Logger
	keeper   *keeper.Client
	listener net.Listener
	store    *store.Store
	logs     *logs.Logs
	engine   *supervisor.Engine
	control  *control.Control
	web      *web.Server
}

func serve(ctx context.Context, s *settings, demo bool) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(interrupts)
	// Who reads the log may go away; that must be no more than a failed write.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	reserveThreads()
	prepareProcess(log)
	unlock, err := takeDirectory(s.Data)
	if err != nil {
		return err
	}
	defer unlock()
	failpoint.At("serve.locked")
	srv := &server{settings: s, log: log}
	if srv.keeper, err = joinKeeper(ctx, s, log); err != nil {
		return err
	}
	failpoint.At("serve.joined")
	if srv.listener, err = srv.listen(); err != nil {
		return err
	}
	failpoint.At("serve.listening")
	if srv.store, err = srv.openStore(ctx, interrupts); err != nil || srv.store == nil {
		return err
	}
	failpoint.At("serve.opened")
	if err := srv.assemble(); err != nil {
		return err
	}
	failpoint.At("serve.assembled")
	defer srv.close()
	return srv.run(ctx, interrupts, demo)
}

// becomeKeeper turns this process into the keeper, which starts "upkeep serve" once more as its child. It returns only
// when that fails.
func becomeKeeper(s *settings) error {
	protect() // and what it becomes and starts
	if err := makeDirectory(s.Data); err != nil {
		return err
	}
	if err := unix.Access(s.Helper, unix.X_OK); err != nil {
		return fmt.Errorf("helper %s: %w; build it with \"make build\" or set its path", s.Helper, err)
	}
	return keeper.Become(s.Data, s.Helper)
}

// prepareProcess keeps what upkeep inherited from its programs, and gives it room for descriptors.
func prepareProcess(log *slog.Logger) {
	// 3 and up: whatever the parent left open must not reach a service.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		log.Warn("close-on-exec of inherited descriptors", "err", err)
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil && files.Cur < files.Max {
		files.Cur = files.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
			log.Warn("raise the limit of open files", "err", err)
		}
	}
	// Less garbage at a time: what a thousand services need is small, and twice as much of it is not.
	debug.SetGCPercent(50)
	protect()
	// With this capability upkeep's writes would ignore the quota of a home.
	if err := privilege.DropResource(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		log.Warn("give up CAP_SYS_RESOURCE", "err", err)
	}
}

// protect makes the kernel look elsewhere first when memory runs out. That is permitted with CAP_SYS_RESOURCE only, as
// long as upkeep has it; launchers get it back as root's programs and end the favour for services.
func protect() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-900"), 0) // without it upkeep is as good a choice as others
}

// makeDirectory makes the data directory. 0711: homes may lie below it, and account users must be able to pass;
// every file in it is upkeep's alone.
func makeDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("the data directory cannot be made: %w; choose another one with --data", err)
	}
	return nil
}

// takeDirectory makes the data directory and locks it against a second upkeep.
func takeDirectory(dir string) (unlock func(), err error) {
	if err := makeDirectory(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, unix.EROFS) { // the page of openStore says so
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be written: %w; choose another one with --data", err)
	}
	if err := drain.Flock(f); err != nil {
		holder := make([]byte, 32)
		n, _ := f.Read(holder) // only to name the PID; without it the sentence still says enough
		f.Close()
		return nil, fmt.Errorf("another upkeep already runs on %s (PID %s); stop it, or choose another directory with --data",
			dir, strings.TrimSpace(string(holder[:n])))
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		slog.Warn("the lock file cannot tell who holds it", "err", err) // on a full or read-only disk
	}
	return func() { f.Close() }, nil
}

func writePID(f *os.File) error {
	_, err := fmt.Fprintf(f, "%d\n", os.Getpid())
	return err
}

// assemble puts everything together. What was opened before a failure is closed by the end of the process.
func (srv *server) assemble() (err error) {
	s := srv.settings
	if srv.logs, err = logs.New(logs.Options{State: s.Data, Logger: srv.log, Keeper: srv.keeper}); err != nil {
		return err
	}
	account, service, err := s.limits()
	if err != nil {
		return err
	}
	srv.engine, err = supervisor.New(supervisor.Config{
		Account: account, Service: service,
		Policy: s.policy(), Journal: srv.store, Output: srv.logs, Keeper: srv.keeper, Log: srv.log,
		Instance: srv.store.InstanceID(), Helper: s.Helper, FIFOs: logs.FIFOs(s.Data),
	})
	if err != nil {
		return err
	}
	srv.control = control.New(srv.store, srv.engine, asUser, s.MonitoringIntervalMin)
	proxies, err := s.proxies()
	if err != nil {
		return err
	}
	srv.web, err = web.New(web.Config{
		Store: srv.store, Control: srv.control, Status: srv.engine, Observe: control.NewObserver(srv.engine),
		Trouble: srv.store.Trouble,
		Logs:    control.NewReader(srv.logs, supervisor.LookUpCredentials), Domain: s.Domain, Secure: s.Secure,
		Limits:         srv.engine.Limits(),
		TrustedProxies: proxies, Version: version, Logger: srv.log, Clock: time.Now,
	})
	return err
}

// listen takes the listening socket from the keeper, where connections have waited, or makes it.
func (srv *server) listen() (net.Listener, error) {
	name := keeper.Listener(srv.settings.Listen)
	held := srv.keeper.List(keeper.Listeners())
	var l net.Listener
	for other, fd := range held.FDs {
		f := os.NewFile(uintptr(fd), other)
		if other == name && l == nil {
			l, _ = net.FileListener(f) // has a copy of its own; when it is no socket, a new one is made
		} else {
			srv.keeper.Drop(other) // of an address that was changed
		}
		f.Close()
	}
	if l == nil {
		var err error
		if l, err = listen(srv.settings.Listen); err != nil {
			return nil, err
		}
	}
	socket, err := l.(*net.TCPListener).SyscallConn() // File would make the socket a blocking one
	if err != nil {
		return nil, fmt.Errorf("hold the listening socket: %w", err)
	}
	hold := func() {
		_ = socket.Control(func(fd uintptr) { srv.keeper.Put(name, int(fd)) }) // an error says that it is closed
	}
	hold()
	srv.keeper.OnRefill(hold)
	return l, nil
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is taken by another program; choose another one with --listen", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("the panel cannot listen on %q: %w; choose another address with --listen", addr, err)
	}
	return l, nil
}

func asUser(acct panel.Account, look func() error) error {
	cred, err := supervisor.LookUpCredentials(acct)
	if err != nil {
		return err
	}
	return privilege.As(cred, look)
}

func (srv *server) close() {
	if err := srv.store.Close(); err != nil {
		srv.log.Error("close the database", "err", err)
	}
}

// run serves until a signal comes. The parts end one after the other: the panel, the engine, the output, so that
// each still finds what it needs.
func (srv *server) run(ctx context.Context, interrupts <-chan os.Signal, demo bool) error {
	parts, failed := errgroup.WithContext(ctx)
	webCtx, stopWeb := context.WithCancel(failed)
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	logsCtx, stopLogs := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWeb()
	parts.Go(func() error { defer stopWeb(); return srv.logs.Run(logsCtx) })
	parts.Go(func() error { defer stopLogs(); return srv.engine.Run(engineCtx) })
	parts.Go(func() error { defer stopEngine(); return srv.serveWeb(webCtx, demo) })
	parts.Go(func() error { return srv.prune(webCtx) })
	parts.Go(func() error { return srv.care(webCtx) })
	parts.Go(func() error { srv.keeper.Beat(logsCtx); return nil })
	select {
	case <-webCtx.Done():
	case <-srv.keeper.Replaced():
		fmt.Println("upkeep makes room for another binary; services run on.")
		stopWeb()
	case <-srv.keeper.StopAll():
		srv.keeper.Leave()
		srv.stopServices(ctx)
		stopWeb()
	case sig := <-interrupts:
		srv.keeper.Leave()
		srv.stop(ctx, sig, interrupts)
		stopWeb()
	}
	return parts.Wait()
}

// serveWeb waits for the take-over, makes the demo when asked, and opens the panel.
func (srv *server) serveWeb(ctx context.Context, demo bool) error {
	select {
	case <-srv.engine.Ready():
	case <-ctx.Done():
		return nil
	}
	// A signal that comes now waits: half a demo would never be completed.
	whole := context.WithoutCancel(ctx)
	if demo {
		if err := srv.makeDemo(whole); err != nil {
			return fmt.Errorf("make the demo: %w", err)
		}
	}
	if err := srv.announce(whole); err != nil {
		return err
	}
	srv.keeper.Ready()
	failpoint.At("serve.ready")
	return srv.web.Run(ctx, srv.listener)
}

// stop says what happens to the services. Ctrl-C in a terminal stops them; any other end leaves them.
func (srv *server) stop(ctx context.Context, sig os.Signal, again <-chan os.Signal) {
	if sig != os.Interrupt || !isTerminal(os.Stdin) {
		fmt.Println("upkeep stops; services run on and are taken over by the next start.")
		return
	}
	fmt.Println("\nStopping the services as well. Press Ctrl-C again to leave them running.")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-again:
			cancel()
		case <-ctx.Done():
		}
	}()
	srv.stopServices(ctx)
}

// stopServices stops every service until ctx ends, and says how that went.
func (srv *server) stopServices(ctx context.Context) {
	if err := srv.engine.StopAll(ctx); err != nil {
		fmt.Println("Some services may still run; the next start takes them over.")
		return
	}
	fmt.Println("All services are stopped. They start again with the next start of upkeep.")
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// history is how long runs and events are kept.
const history = 90 * 24 * time.Hour

// prune forgets old history and dead sessions, once a day.
func (srv *server) prune(ctx context.Context) error {
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	for {
		now := time.Now()
		err := errors.Join(srv.store.Prune(ctx, now.Add(-history)), srv.store.PruneSessions(ctx, now))
		if err != nil && ctx.Err() == nil {
			srv.log.Error("prune history", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-daily.C:
		}
	}
}
