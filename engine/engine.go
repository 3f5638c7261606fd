// Package engine owns the assembly of the server: the order in which its components start and stop, the dry run of new scripts,
// and the reload of scripts and settings. It is the only package that knows all components. It must not know the command line.
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
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/console"
	"perigee/engine/failures"
	"perigee/engine/fetch"
	"perigee/engine/jobqueue"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/manager/inspect"
	"perigee/engine/metrics"
	"perigee/engine/persist"
	"perigee/engine/platform"
	"perigee/engine/process"
	"perigee/engine/script"
	"perigee/engine/script/loader"
	"perigee/engine/script/store"
	"perigee/engine/wire"
)

// ErrDefaultKey is returned by Run if other machines can reach the address and the admin key is weak.
var ErrDefaultKey = errors.New("refusing to listen")

// Options configure a server.
type Options struct {
	Config config.Config
	Log    *slog.Logger
	// Version and Revision of the program are shown in the metrics. Optional.
	Version, Revision string
	// Scripts are the modules and pages of the binary.
	Scripts fs.FS
	// Supervisor is the name of the program that starts the server again when it ends, for scripts. "" if there is none.
	Supervisor string
	// Tail has the latest records of Log, for the console. Optional.
	Tail *logging.Tail
	// Level is the level of Log. A reload sets it to server.log_level. Optional.
	Level *slog.LevelVar
	// Listener accepts the clients; its address is server.address and server.port in Config. It outlives the server, so that
	// clients are told to come back soon when the server stops. Optional: if it is nil, the server listens at that address. Run
	// closes it.
	Listener net.Listener
	// Padding is unused heap, which is never read or written. The garbage collector starts when the heap has doubled, and scans the
	// stacks of all readers each time. If scripts and clients use only a few megabytes, that would be after every thousand or two of
	// messages, and take a quarter of their time. With 16 MiB of padding, as much garbage accumulates first. The padding uses no
	// memory. Optional.
	Padding []byte
	// Reload reads the settings again. If it is nil, reloads keep the settings.
	Reload func() (config.Config, error)
	// Lint logs a warning for each name in the scripts that nothing defines, at the start and at each reload. Check always does.
	Lint bool
	// ReloadWith runs the reloads that operators ask for in the console, with what belongs to them around. Optional.
	ReloadWith func(ctx context.Context, reload func(ctx context.Context) (Reload, error)) (Reload, error)
	// OnFailure is called when a script has failed in a handler, after that is logged; it must not block. Optional.
	OnFailure func(f failures.Failure)
	// OnStarted is called once, by the goroutine of Run, when the server accepts clients; the server does not stop before it
	// returns. The server may be used until Run returns, and returns ErrStopping after that. Optional.
	OnStarted func(Status, *Server)
	// OnStopping is called once, by the goroutine of Run, when a server that has started begins to stop. It may take as long as
	// allowed until OnStopTimeout is called. Optional.
	OnStopping func(allowed time.Duration)
	// OnHang is called once, from another goroutine, if a script holds the loop and cannot be interrupted. Run will not return,
	// so the process must be ended. Optional.
	OnHang func(held time.Duration)
	// OnStopTimeout is called once, from another goroutine, if the server has not stopped 2 s after stop.timeout, which begins
	// after stop.lame_duck, with the names
	// of the components that still run. Run may not return, so the process must be ended. Optional.
	OnStopTimeout func(running []string)
}

// Status describes a server.
type Status struct {
	// Page and Socket are URLs. Page is served only if HasPage is set.
	Page, Socket string
	HasPage      bool
	// Console is the URL of the console; "" if the settings disable it.
	Console string
	// Port is the TCP port that clients connect to.
	Port int
	// Routes are what the scripts registered.
	Routes manager.Routes
	// Notes say what this operating system cannot do for the settings, one sentence each. Only Check sets them; Run logs them.
	Notes []string
	// Warnings name settings and scripts that Check accepts but that look like mistakes, one sentence each.
	Warnings []string
}

// Time limits of the start and the stop that are not settings.
const (
	// stopHookTimeout is how long the scripts' stop hook may take, waits included. It is part of stop.timeout.
	stopHookTimeout = 2 * time.Second
	// earlySave is how long saving the state may take before the clients are closed. It is part of stop.timeout. A save that
	// other turns hold up for longer is left to the final save.
	earlySave = time.Second
	// pagesDrain is how long HTTP requests in progress may take once the server stops.
	pagesDrain = time.Second
	// bootGrace is how much longer than lua.boot_timeout a boot may take, so that the limit of its turn can end it first.
	bootGrace = time.Second
)

// Limits of plain HTTP that are not settings.
const (
	idleTimeout    = 30 * time.Second // of a connection between requests
	pageTimeout    = 10 * time.Second // for writing one response; limits.write_timeout if that is longer
	maxHeaderBytes = 8 << 10          // of a request; net/http adds some 4 KiB
)

// maxProcesses is how many processes scripts may have at once.
const maxProcesses = 8

// Server holds the components of a server. Its exported methods are safe for concurrent use.
type Server struct {
	// Set by assemble, never changed.
	options   Options
	log       *slog.Logger
	refusals  *logging.Refusals
	loop      *loop.Loop
	manager   *manager.Manager
	broker    *broker.Broker
	fetch     *fetch.Client
	process   *process.Supervisor
	http      *http.Server
	saver     *persist.Saver
	audit     *store.Audit // of the saver's store; nil if the state is not saved
	jobs      *jobqueue.Service
	console   *console.Console // nil if it is disabled
	inspector *inspect.Inspector
	failures  *failures.Log // nil without a console
	reloads   *reloads
	metrics   *metrics.Registry

	// Owned by assemble, then by the goroutine that reloads, and in the end by Run.
	config      config.Config
	program     *script.Program // the scripts that run
	sources     *loader.Sources // of the scripts that run
	pages       fs.FS
	key         auth.Key // the admin key
	programKeys []auth.ProgramKey

	lastGeneration int // of the scripts that ran last; owned by the loop

	// Used by any goroutine.
	site        atomic.Pointer[http.Handler] // answers plain HTTP requests
	counts      counts
	programs    script.Generations
	running     running
	stopAllowed atomic.Int64 // how long a stop may take, in nanoseconds, for goroutines that must not read config
	ready       atomic.Bool
	startedAt   atomic.Int64 // in nanoseconds since 1970

	consoleAddress net.Addr // of its own; set by listenConsole; optional
	stopJobs       func()   // takes no more jobs, and waits for those in progress; set by run
	endStopTimeout func()   // ends the measuring of stop.timeout; set by shutdown

	end struct { // set by shutdown, for finish
		late        atomic.Bool // stop.timeout has passed
		connections int         // when the stop began
		forced      int         // how many of them had to be cut
	}

	// stop is called with the reason why the server stops, a *stopRequest if a script asked for it.
	stop context.CancelCauseFunc
}

// stopRequest is the cause of an orderly stop.
type stopRequest struct{ why wire.Close }

func (s *stopRequest) Error() string { return s.why.Reason }

// Run serves until ctx ends or a script stops the server, then stops in order, and returns after everything that it started has
// ended. The error is nil after an orderly stop.
func Run(ctx context.Context, o Options) (err error) {
	if o.Listener != nil {
		defer func() { _ = o.Listener.Close() }() // serving has closed it, unless the start failed
	}
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
	for _, note := range platformNotes(runtime.GOOS, o.Config) {
		s.log.Warn("engine: a limit of this operating system", "note", note)
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	serveConsole, endConsole, err := s.listenConsole(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	var serving sync.WaitGroup
	serving.Go(serveConsole)
	defer serving.Wait()
	defer endConsole()
	return s.run(ctx, listener)
}

// assemble creates the components and connects them. Nothing runs yet.
func assemble(o Options, stop context.CancelCauseFunc) (*Server, error) {
	c := o.Config
	s := &Server{options: o, config: c, log: o.Log, refusals: logging.NewRefusals(o.Log), stop: stop}
	s.reloads = &reloads{wake: make(chan struct{}, 1), queued: map[bool]*reloadRequest{}}
	s.allowStop(c.Stop)
	p, err := s.prepare(c, o.Log)
	if err != nil {
		return nil, err
	}
	s.key, s.programKeys = p.manager.Key, p.manager.ProgramKeys
	if s.saver, err = persist.New(c.State, o.Log); err != nil {
		return nil, c.SettingError("state.file", err)
	}
	s.jobs = jobqueue.New(c, &s.saver.Applied, o.Log)
	s.loop = s.newLoop(c)
	s.audit = s.newAudit(c)
	s.metrics = metrics.New(s.metricsSnapshot)
	p.manager.Metrics = s.metrics
	if c.Console.Enabled {
		s.failures = &failures.Log{}
	}
	p.manager.Failures, p.manager.OnFailure = s.failures, o.OnFailure
	p.manager.Supervisor = o.Supervisor
	p.manager.SetWorker = s.jobs.SetWorker
	p.manager.Stop = func(why wire.Close) { stop(&stopRequest{why}) }
	p.manager.Retired = s.retire
	s.manager = manager.New(p.manager, s.loop, s.log)
	s.inspector = inspect.New(s.loop, s.manager.Hub())
	s.broker = broker.New(p.broker, s.manager, s.log)
	s.manager.SetPublisher(s.broker)
	s.console = s.newConsole(c)
	s.servePages(p.pages)
	s.fetch = s.newFetch(c.HTTP)
	if s.process, err = process.New(process.Options{
		Programs: script.ProcessPrograms(c), Max: maxProcesses, Path: os.Getenv("PATH"), Log: s.log,
	}); err != nil {
		return nil, err
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.site.Load()).ServeHTTP(w, r) }),
		ConnContext:       s.broker.ConnContext,
		ReadHeaderTimeout: c.Limits.HandshakeTimeout.Std(),
		ReadTimeout:       c.Limits.HandshakeTimeout.Std(),
		WriteTimeout:      max(pageTimeout, c.Limits.WriteTimeout.Std()),
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if s.console != nil {
		s.http.RegisterOnShutdown(s.console.EndStreams)
	}
	return s, nil
}

// status describes the server. address is where it listens, or nil.
func (s *Server) status(routes manager.Routes, address net.Addr) Status {
	status := Status{Routes: routes, HasPage: s.pages != nil}
	if address != nil {
		status.Page = "http://" + address.String() + "/"
		status.Socket = "ws://" + address.String() + "/"
		status.Console = s.consoleURL(status.Page)
		if tcp, ok := address.(*net.TCPAddr); ok {
			status.Port = tcp.Port
		}
	}
	return status
}

// listen opens the address for clients, unless the options have a listener.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	c := s.config.Server
	if err := checkFiles(c.MaxConnections); err != nil {
		return nil, err
	}
	if s.options.Listener != nil {
		return s.broker.Listener(s.options.Listener), nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.Address, strconv.Itoa(c.Port)))
	if errors.Is(err, platform.AddressInUse) {
		return nil, fmt.Errorf("engine: %w: another program uses it; choose another port with --port or server.port", err)
	}
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return s.broker.Listener(listener), nil
}
