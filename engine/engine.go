// Package engine puts the parts of the server together: it is the only one that knows them all. It owns the order in
// which they start and stop, the rehearsal of scripts, the step from one set of scripts and settings to the next, and what
// they tell of themselves together.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/fetch"
	"perigee/engine/jobqueue"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/metrics"
	"perigee/engine/persist"
	"perigee/engine/process"
	"perigee/engine/script"
	"perigee/engine/script/loader"
	"perigee/engine/wire"
)

// ErrDefaultKey is returned by Run for an address that others can reach while everybody knows the admin key.
var ErrDefaultKey = errors.New("refusing to listen")

// Options are what a server runs with.
type Options struct {
	Config config.Config
	Log    *slog.Logger
	// Scripts are the modules and pages of the binary.
	Scripts fs.FS
	// Level is that of Log; a reload sets it to what the settings say. nil is fixed.
	Level *slog.LevelVar
	// Reload reads the settings again; nil keeps them.
	Reload func() (config.Config, error)
	// Started is called once, by the goroutine of Run, when clients are welcome; until it returns nothing ends the server.
	// The server may be kept and used until Run returns, and answers with ErrStopping after that. Nil is nobody.
	Started func(Status, *Server)
	// Stopping is called once, by the goroutine of Run, when a server that had started begins to end. Nil is nobody.
	Stopping func()
	// Stuck is called once, from another goroutine, when a script holds the loop and cannot be stopped:
	// nothing but the end of the process helps, and Run will not return. nil is nobody.
	Stuck func(held time.Duration)
	// Overdue is called once, from another goroutine, when the server has not ended 2 s after stop.timeout, with the names of
	// what has not: nothing but the end of the process helps, and Run may not return. nil is nobody.
	Overdue func(held []string)
}

// Status is what a server says of itself.
type Status struct {
	// Page and Socket are URLs; Page is served where HasPage says so.
	Page, Socket string
	HasPage      bool
	// Port is the TCP port that clients connect to.
	Port int
	// Routes are what the scripts registered.
	Routes manager.Routes
	// Warnings are what Check found that works, but is hardly meant; one sentence each.
	Warnings []string
}

// stopHookTimeout is how long the scripts' stop hook may take, waiting included, as a part of stop.timeout.
const stopHookTimeout = 2 * time.Second

// earlySave is how long the state may take to its file before the clients are closed, as a part of stop.timeout. What waits
// behind other turns for longer is left to the last save.
const earlySave = time.Second

// pagesDrain is how long pages that are being read at the end may take.
const pagesDrain = time.Second

// bootGrace is how long a boot that is over its time is given to end by the limit of its turn.
const bootGrace = time.Second

// Limits of plain HTTP that are no settings.
const (
	idleTimeout    = 30 * time.Second // of a connection that serves pages
	pageTimeout    = 10 * time.Second // for writing one page
	maxHeaderBytes = 8 << 10          // of a request; net/http adds some 4 KiB
)

// Server is the parts of a running server. Its exported methods may be called by any goroutine.
type Server struct {
	// Set by assemble, never changed.
	options Options
	log     *slog.Logger
	loop    *loop.Loop
	manager *manager.Manager
	broker  *broker.Broker
	fetch   *fetch.Client
	process *process.Supervisor
	http    *http.Server
	keeper  *persist.Saver
	jobs    *jobqueue.Service
	reloads *reloads
	ballast []byte // set by Run; nobody reads or writes what is in it
	metrics *metrics.Registry

	// Owned by assemble, then by the goroutine that reloads, and in the end by Run.
	config  config.Config
	program *script.Program // the one that runs
	sources *loader.Sources // of the scripts that run
	pages   fs.FS
	key     auth.Key // the admin key

	ran int // the generation of the scripts that ran last; owned by the loop

	site        atomic.Pointer[http.Handler] // what answers plain requests
	counts      counts
	programs    script.Generations
	holds       holds
	stopTimeout atomic.Int64 // the setting, in nanoseconds; for whoever may not touch config

	endJobs func()      // takes no more jobs, and waits for those in hand; set by run
	abort   *time.Timer // gives the scripts no more time once the end takes too long; set by shutdown

	end struct { // set by shutdown, for finish
		by          time.Time // when stop.timeout is over
		connections int       // when it began
		forced      int       // of those, that had to be cut
	}

	ready atomic.Bool
	// stop is cancelled with the reason why the server ends, a *stopping where somebody asked for it.
	stop context.CancelCauseFunc
}

// stopping is the cause of an orderly end.
type stopping struct{ why wire.Close }

func (s *stopping) Error() string { return s.why.Reason }

// Run serves until ctx ends or a script stops the server, and then stops in order; it returns after everything that it
// started has ended. The error is nil after an orderly end.
func Run(ctx context.Context, o Options) (err error) {
	release, err := persist.Lock(o.Config.State)
	if err != nil {
		return o.Config.SettingError("state.file", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s, err := assemble(o, stop)
	if err != nil {
		return err
	}
	s.ballast = make([]byte, ballast)
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	return s.run(ctx, listener)
}

// assemble makes the parts and connects them. Nothing runs yet.
func assemble(o Options, stop context.CancelCauseFunc) (*Server, error) {
	c := o.Config
	s := &Server{options: o, config: c, log: o.Log, stop: stop, reloads: newReloads()}
	s.stopTimeout.Store(int64(c.Stop.Timeout))
	effect, err := s.prepare(c, o.Log)
	if err != nil {
		return nil, err
	}
	s.key = effect.manager.Key
	if s.keeper, err = persist.New(c.State, o.Log); err != nil {
		return nil, c.SettingError("state.file", err)
	}
	s.jobs = jobqueue.New(c, &s.keeper.Applied, o.Log)
	s.loop = loop.New(loop.Options{
		MaxWaiting: c.Lua.MaxWaiting,
		SlowTurn:   c.Lua.SlowTurn.Std(),
		OnSlowTurn: func(turn string, held time.Duration) {
			if turn != manager.InstallTurn { // which has a limit of its own
				s.counts.slowTurns.Add(1)
				s.log.Warn("loop: slow turn", "turn", turn, "held", held, "generation", s.ran)
			}
		},
		OnPanic: func(turn string, value any, stack []byte) {
			s.log.Error("loop: turn panicked", "turn", turn, "panic", value, "stack", string(stack))
		},
	})
	s.metrics = metrics.New(s.metricsSnapshot)
	effect.manager.Metrics = s.metrics
	effect.manager.SetWorker = s.jobs.SetWorker
	effect.manager.Stop = func(why wire.Close) { stop(&stopping{why}) }
	effect.manager.Retired = s.retired
	s.manager = manager.New(effect.manager, s.loop, s.log)
	s.broker = broker.New(effect.broker, s.manager, s.log)
	s.manager.SetPublisher(s.broker)
	s.serve(effect.pages)
	s.fetch = fetch.New(fetch.Options{
		Timeout:            c.HTTP.Timeout.Std(),
		MaxBody:            int64(c.HTTP.MaxBody),
		MaxRequests:        c.HTTP.MaxRequests,
		RedirectsToPrivate: c.HTTP.RedirectsToPrivate,
	})
	if s.process, err = process.New(process.Options{
		Programs: script.Programs(c), Max: maxProcesses, Path: os.Getenv("PATH"), Log: s.log,
	}); err != nil {
		return nil, err
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.site.Load()).ServeHTTP(w, r) }),
		ReadHeaderTimeout: c.Limits.HandshakeTimeout.Std(),
		ReadTimeout:       c.Limits.HandshakeTimeout.Std(),
		WriteTimeout:      pageTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// maxProcesses is how many processes scripts may have at once.
const maxProcesses = 8

// status describes the server as it is.
func (s *Server) status(routes manager.Routes, at net.Addr) Status {
	status := Status{Routes: routes, HasPage: s.pages != nil}
	if at != nil {
		status.Page = "http://" + at.String() + "/"
		status.Socket = "ws://" + at.String() + "/"
		if tcp, ok := at.(*net.TCPAddr); ok {
			status.Port = tcp.Port
		}
	}
	return status
}

// listen opens the address for clients.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	c := s.config.Server
	if err := checkFiles(c.MaxConnections); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.Address, strconv.Itoa(c.Port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("engine: %w: another program serves there; choose another port with --port or server.port", err)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return s.broker.Listener(listener), nil
}
