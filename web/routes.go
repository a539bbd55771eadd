package web

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"upkeep/static"
)

// welcomeRoute holds a secret, so the log never shows the path itself.
const welcomeRoute = "/welcome/:token"

// Time limits of handlers. An action answers once its outcome is known, which may include the stop timeout and the
// new program's start period; after waitTime the page says that it goes on.
const (
	pageTime   = 10 * time.Second
	waitTime   = 25 * time.Second
	actionTime = waitTime + 5*time.Second
)

// routes are the handlers, by noun.
type routes struct {
	*pages
	health      *healthHandlers
	signIn      *signInHandlers
	welcome     *welcomeHandlers
	account     *accountHandlers
	services    *servicesHandlers
	service     *serviceHandlers
	serviceForm *serviceFormHandlers
	imports     *importHandlers
	remove      *serviceDeleteHandlers
	logs        *logsHandlers
	history     *historyHandlers
	processes   *processesHandlers
	events      *eventsHandlers
	trusted     echo.IPExtractor
}

// newRoutes makes the handlers. Event streams end with ctx.
func newRoutes(ctx context.Context, cfg Config) *routes {
	p := &pages{
		log: cfg.Logger, now: cfg.Clock, trouble: cfg.Trouble, domain: cfg.Domain, secure: cfg.Secure,
		sessions: newSessionStore(cfg.Store, cfg.Clock, cfg.Secure), users: cfg.Store,
	}
	look := &looker{
		store: cfg.Store, status: cfg.Status, usage: cfg.Observe, log: cfg.Logger, now: cfg.Clock,
	}
	hashing := newHasher()
	services := &servicesHandlers{pages: p, look: look}
	service := &serviceHandlers{
		pages: p, look: look, control: cfg.Control, processes: cfg.Observe, logs: cfg.Logs, limits: cfg.Limits,
	}
	processes := &processesHandlers{pages: p, store: cfg.Store, observe: cfg.Observe, control: cfg.Control}
	return &routes{
		pages:       p,
		health:      &healthHandlers{store: cfg.Store, version: cfg.Version},
		signIn:      newSignInHandlers(p, cfg.Store, hashing),
		welcome:     &welcomeHandlers{pages: p, links: cfg.Store, hash: hashing},
		account:     &accountHandlers{pages: p, store: cfg.Store},
		services:    services,
		service:     service,
		serviceForm: &serviceFormHandlers{pages: p, look: look, control: cfg.Control},
		imports:     &importHandlers{pages: p, look: look, control: cfg.Control},
		remove:      &serviceDeleteHandlers{pages: p, look: look, control: cfg.Control, logs: cfg.Logs},
		history:     &historyHandlers{pages: p, look: look, store: cfg.Store, control: cfg.Control},
		logs:        &logsHandlers{pages: p, look: look, logs: cfg.Logs},
		processes:   processes,
		events:      newEventsHandlers(ctx, p, cfg.Store, cfg.Status, services, service, processes),
		trusted:     extractIP(cfg.TrustedProxies),
	}
}

// register writes the table of all paths. Whoever is not signed in is asked to, on every path that is not in the
// first part, whether it exists or not: echo runs a group's middleware also for unknown paths below its prefix.
func (r *routes) register(e *echo.Echo) {
	e.IPExtractor = r.trusted
	e.HTTPErrorHandler = r.handleError
	e.Pre(identify, r.logAccess, r.secureHeaders, r.recoverPanic(), refuseCrossOrigin)

	// Everyone.
	e.GET("/livez", r.health.live)
	e.GET("/readyz", r.health.ready, timeLimit(pageTime))
	e.GET("/healthz", r.health.live)
	e.GET("/robots.txt", r.health.robots)
	e.GET("/.well-known/change-password", r.signIn.changePassword)
	e.GET(static.Prefix+"*", echo.WrapHandler(static.Handler()))
	everyone := e.Group("", limitBody(maxSignInBytes), timeLimit(pageTime), r.identifyVisitor)
	everyone.GET("/signin", r.signIn.show)
	everyone.POST("/signin", r.signIn.signIn)
	everyone.POST("/signout", r.signIn.signOut)
	everyone.POST("/theme", r.setTheme)
	everyone.GET(welcomeRoute, r.welcome.show)
	everyone.POST(welcomeRoute, r.welcome.choose)

	// Whoever is signed in.
	session := e.Group("", timeLimit(pageTime), r.identifyVisitor, requireSession)
	session.GET("/", r.account.home)
	session.GET("/accounts", r.account.list)
	session.GET("/version", r.health.showVersion)

	// Whoever may open the account.
	short := e.Group("/accounts/:account", limitBody(maxBodyBytes), timeLimit(pageTime),
		r.identifyVisitor, requireSession, r.account.find)
	short.GET("", r.account.open)
	short.GET("/services", r.services.list)
	short.GET("/services/new", r.serviceForm.new)
	short.GET("/services/import", r.imports.show)
	short.GET("/services/:name", r.service.show)
	short.GET("/services/:name/edit", r.serviceForm.edit)
	short.GET("/services/:name/delete", r.remove.confirm)
	short.GET("/services/:name/export", r.imports.export)
	short.GET("/services/:name/logs", r.logs.show)
	short.GET("/services/:name/history", r.history.show)
	short.GET("/processes/services", r.processes.list)
	short.POST("/processes/services/end", r.processes.end)

	// The same, waiting for what the engine does.
	slow := e.Group("/accounts/:account", limitBody(maxBodyBytes), timeLimit(actionTime),
		r.identifyVisitor, requireSession, r.account.find)
	slow.POST("/services", r.serviceForm.create)
	slow.POST("/services/import", r.imports.read)
	slow.POST("/services/:name/edit", r.serviceForm.update)
	slow.POST("/services/:name/restart", r.service.restart)
	slow.POST("/services/:name/restart-hard", r.service.restartHard)
	slow.POST("/services/:name/pause", r.service.pause)
	slow.POST("/services/:name/resume", r.service.resume)
	slow.POST("/services/:name/start", r.service.start)
	slow.POST("/services/:name/enable", r.service.enable)
	slow.POST("/services/:name/check", r.service.check)
	slow.POST("/services/:name/undo", r.history.undo)
	slow.POST("/services/:name/delete", r.remove.remove)

	// The same, for as long as it takes.
	long := e.Group("/accounts/:account", r.identifyVisitor, requireSession, r.account.find)
	long.GET("/services/:name/logs.txt", r.logs.download)
	long.GET("/events", r.events.stream)
}
