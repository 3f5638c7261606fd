// Package engine puts the parts of the server together: it is the only one that knows them all. It owns the order in
// which they start and stop, and nothing else.
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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/fetch"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/process"
	"perigee/engine/script"
	"perigee/engine/web"
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
	// Started is called once, by the goroutine of Run, when clients are welcome; until it returns nothing ends the server.
	// Nil is nobody.
	Started func(Status)
	// Stuck is called once, from another goroutine, when a script holds the loop and cannot be stopped:
	// nothing but the end of the process helps, and Run will not return. nil is nobody.
	Stuck func(held time.Duration)
}

// Status is what a server says of itself.
type Status struct {
	// Page and Socket are URLs; Page is served where HasPage says so.
	Page, Socket string
	HasPage      bool
	// Routes are what the scripts registered.
	Routes manager.Routes
}

// stopHookTimeout is how long the scripts' stop hook may take, waiting included, as a part of stop.timeout.
const stopHookTimeout = 2 * time.Second

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

// server is the parts of a running server.
type server struct {
	options Options
	config  config.Config
	log     *slog.Logger

	loop    *loop.Loop
	manager *manager.Manager
	broker  *broker.Broker
	program *script.Program
	fetch   *fetch.Client
	process *process.Supervisor
	http    *http.Server
	keeper  *keeper
	jobs    *jobs
	pages   fs.FS

	watched  func(p *script.Program) // has a program watched; set by watch
	watchers sync.WaitGroup

	endJobs func()      // takes no more jobs, and waits for those in hand; set by run
	abort   *time.Timer // gives the scripts no more time once the end takes too long; set by shutdown

	ready atomic.Bool
	// stop is cancelled with the reason why the server ends, a *stopping where somebody asked for it.
	stop context.CancelCauseFunc
}

// stopping is the cause of an orderly end.
type stopping struct{ why wire.Close }

func (s *stopping) Error() string { return s.why.Reason }

// Run serves until ctx ends or a script stops the server, and then stops in order; it returns after everything that it
// started has ended. The error is nil after an orderly end.
func Run(ctx context.Context, o Options) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s, err := assemble(o, stop)
	if err != nil {
		return err
	}
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	return s.run(ctx, listener)
}

// Check loads configuration and scripts as Run would, without serving, and returns what they register.
func Check(ctx context.Context, o Options) (Status, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s, err := assemble(o, stop)
	if err != nil {
		return Status{}, err
	}
	s.jobs.silent = true
	var parts sync.WaitGroup
	defer s.close()
	defer s.watch(ctx)()
	defer parts.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts.Go(func() { s.loop.Run(ctx) })
	if err := s.load(ctx); err != nil {
		return Status{}, err
	}
	return s.status(ctx, nil)
}

// assemble makes the parts and connects them. Nothing runs yet.
func assemble(o Options, stop context.CancelCauseFunc) (*server, error) {
	c := o.Config
	s := &server{options: o, config: c, log: o.Log, stop: stop}
	key, errKey := s.key()
	reach, errReach := s.reach()
	var errPages, errState error
	s.pages, errPages = pages(c, o.Scripts)
	if err := errors.Join(errKey, errReach, errPages); err != nil {
		return nil, err
	}
	if s.keeper, errState = newKeeper(c.State, o.Log); errState != nil {
		return nil, errState
	}
	s.jobs = newJobs(c, o.Log)
	s.loop = loop.New(loop.Options{
		MaxWaiting: c.Lua.MaxWaiting,
		SlowTurn:   c.Lua.SlowTurn.Std(),
		Slow: func(turn string, held time.Duration) {
			if turn != manager.InstallTurn { // which has a limit of its own
				s.log.Warn("loop: slow turn", "turn", turn, "held", held.String())
			}
		},
		Panicked: func(turn string, value any, stack []byte) {
			s.log.Error("loop: turn panicked", "turn", turn, "panic", value, "stack", string(stack))
		},
	})
	s.manager = manager.New(manager.Options{
		Key:    key,
		Limits: c.Limits,
		Roster: c.Roster,
		Work:   s.jobs.want,
		Stop:   func(why wire.Close) { stop(&stopping{why}) },
	}, s.loop, s.log)
	s.broker = broker.New(reach, s.manager, s.log)
	s.manager.Connect(s.broker)
	var err error
	s.fetch = fetch.New(fetch.Options{
		Timeout:            c.HTTP.Timeout.Std(),
		MaxBody:            int64(c.HTTP.MaxBody),
		MaxRequests:        c.HTTP.MaxRequests,
		RedirectsToPrivate: c.HTTP.RedirectsToPrivate,
	})
	if s.process, err = s.processes(); err != nil {
		return nil, err
	}
	s.http = &http.Server{
		Handler:           web.New(s.web()),
		ReadHeaderTimeout: c.Limits.HandshakeTimeout.Std(),
		ReadTimeout:       c.Limits.HandshakeTimeout.Std(),
		WriteTimeout:      pageTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// web says what is served over plain HTTP.
func (s *server) web() web.Options {
	return web.Options{
		Socket: s.broker,
		Pages:  s.pages,
		Ready:  s.ready.Load,
		Commands: web.Commands{
			Kernel:  s.manager,
			Visitor: s.broker.Visitor,
			MaxBody: int64(s.config.Limits.ReadLimit),
			Timeout: s.config.Queue.HandlerTimeout.Std(),
		},
	}
}

// maxProcesses is how many processes scripts may have at once.
const maxProcesses = 8

// processes returns what starts the programs that the settings name.
func (s *server) processes() (*process.Supervisor, error) {
	programs := map[string]process.Program{}
	for name, p := range s.config.Processes {
		env := map[string]string{}
		for variable, value := range p.Env {
			env[variable] = string(value)
		}
		programs[name] = process.Program{Command: p.Command, Args: p.Args, Env: env, Cwd: p.Cwd}
	}
	return process.New(process.Options{Programs: programs, Max: maxProcesses, Path: os.Getenv("PATH"), Log: s.log})
}

// load runs the scripts, for lua.boot_timeout; where they hold the loop for longer the machine ends them by itself, and
// says where.
func (s *server) load(ctx context.Context) error {
	c := s.config
	ctx, cancel := context.WithTimeoutCause(ctx, c.Lua.BootTimeout.Std()+bootGrace,
		fmt.Errorf("engine: loading the scripts took longer than lua.boot_timeout, %s: they wait for something", c.Lua.BootTimeout))
	defer cancel()
	return s.manager.Install(ctx, func(h script.Host) (manager.Application, error) {
		options := script.Settings(c, s.loop)
		options.Builtin = s.options.Scripts
		options.Generation = 1
		options.Store = s.keeper.store
		options.Log = s.log
		options.Stuck = s.options.Stuck
		options.Fetch = s.fetch.Start
		options.Push = s.jobs.push
		options.Processes = s.process
		options.After = loop.RealClock{}.AfterFunc
		p, err := script.New(options, h)
		if err != nil {
			return nil, err
		}
		s.program = p
		s.watched(p)
		return p, p.Load()
	})
}

// status describes the server as it is.
func (s *server) status(ctx context.Context, at net.Addr) (Status, error) {
	routes, err := s.manager.Routes(ctx)
	if err != nil {
		return Status{}, err
	}
	status := Status{Routes: routes, HasPage: s.pages != nil}
	if at != nil {
		status.Page = "http://" + at.String() + "/"
		status.Socket = "ws://" + at.String() + "/"
	}
	return status, nil
}

// listen opens the address for clients.
func (s *server) listen(ctx context.Context) (net.Listener, error) {
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

// key returns the admin key, and an error where it is one that everybody knows and others than this machine can connect.
func (s *server) key() (auth.Key, error) {
	c := s.config.Server
	secret := string(c.Key)
	if c.KeyFile != "" {
		var err error
		if secret, err = auth.ReadKeyFile(c.KeyFile); err != nil {
			return auth.Key{}, fmt.Errorf("server.key_file: %w", err)
		}
	}
	key := auth.NewKey(secret)
	if !key.IsDefault() {
		return key, nil
	}
	kind := "shorter than 12 bytes"
	switch secret {
	case "":
		kind = "empty"
	case "password":
		kind = `the default "password"`
	}
	if !loopback(c.Address) {
		return key, fmt.Errorf("%w on %s: server.key is %s. Set SERVER_KEY (12 bytes or more) or bind to 127.0.0.1",
			ErrDefaultKey, net.JoinHostPort(c.Address, strconv.Itoa(c.Port)), kind)
	}
	s.log.Warn("engine: only clients on this machine can authenticate, since everybody knows the key", "setting", "server.key", "key", kind)
	return key, nil
}

// loopback tells whether only this machine reaches an address.
func loopback(address string) bool {
	ip := net.ParseIP(address)
	return address == "localhost" || ip != nil && ip.IsLoopback()
}

// reach says from where clients may come.
func (s *server) reach() (broker.Options, error) {
	c := s.config.Server
	origins, errOrigins := auth.ParseOrigins(c.Origins)
	hosts, errHosts := auth.ParseHosts(c.Hosts)
	proxies, errProxies := auth.ParseProxies(c.TrustedProxies)
	var faults []error
	for _, setting := range []struct {
		name string
		err  error
	}{{"server.origins", errOrigins}, {"server.hosts", errHosts}, {"server.trusted_proxies", errProxies}} {
		if setting.err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", setting.name, setting.err))
		}
	}
	if len(faults) > 0 {
		return broker.Options{}, errors.Join(faults...)
	}
	origins = origins.Behind(proxies)
	if c.RequireOrigin {
		origins = origins.Required()
	}
	if origins.Any() {
		s.log.Warn("engine: pages of every origin may connect", "setting", "server.origins")
	}
	return broker.Options{
		Limits:         s.config.Limits,
		MaxConnections: c.MaxConnections,
		Origins:        origins,
		Hosts:          hosts,
		Proxies:        proxies,
	}, nil
}
