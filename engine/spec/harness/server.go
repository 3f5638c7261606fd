// Package harness is the server on which an example of a spec is played: the real loop, manager and scripts, but without
// sockets, and with a clock, a queue, programs and other servers that do what the spec says. It sees none of the spec's Lua,
// and does not know what is expected.
//
// Nothing here depends on how fast the machine is: after each thing that is done to a server, its loop runs until it is idle.
package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/script"
	"perigee/engine/script/store"
	"perigee/engine/wire"
)

// key is the password of admins in specs, whatever the settings say.
const key = "password"

// Bounds of how long a server may take to come to rest.
const (
	maxRounds = 10_000           // turns and alarms for one thing that a spec does
	maxRest   = 30 * time.Second // of real time; the limits of scripts end turns long before
)

// errRestless says that work made work without end.
var errRestless = errors.New("the scripts do not come to rest: something runs again and again without the clock being moved")

// Options say what is played.
type Options struct {
	Config config.Config
	// Scripts are the modules of the binary.
	Scripts fs.FS
	// Manager is the module of the application.
	Manager string
}

// Server is a server without sockets. Between two calls of its methods its loop is idle. One goroutine uses it.
type Server struct {
	loop    *loop.Loop
	clock   *clock
	manager *manager.Manager
	store   *store.Store
	cast    *cast
	journal *Journal
	out     *outlet
	answers []Answer // of other servers; written while the loop is idle

	jobs    []Job // that scripts have pushed; written by the loop, and while it is idle
	lastJob uint64

	program  *script.Program // that runs
	programs script.Generations

	stopping *wire.Close // set by the loop
	stopped  bool

	// Set by Start, never changed.
	read func(folder string) error // loads the scripts
	end  func()
}

// Start loads the scripts into a new server. Its owner calls End.
func Start(ctx context.Context, o Options, j *Journal) (*Server, error) {
	c := o.Config
	s := &Server{clock: &clock{now: began()}, store: store.New(), journal: j, out: &outlet{}}
	log := slog.New(s.journal)
	s.loop = loop.New(loop.Options{
		MaxWaiting: c.Lua.MaxWaiting,
		Clock:      s.clock,
		Panicked: func(turn string, v any, stack []byte) {
			s.journal.add(fmt.Errorf("panic in turn %s: %v\n%s", turn, v, stack))
		},
	})
	var err error
	if s.cast, err = newCast(c, s.journal); err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	s.manager = manager.New(manager.Options{
		Key:    auth.NewKey(key),
		Limits: c.Limits,
		Roster: c.Roster,
		Drain:  c.Lua.Drain.Std(),
		Stop:   func(why wire.Close) { s.stopping = &why },
		Retired: func(a manager.Application) {
			if p, ok := a.(*script.Program); ok {
				s.programs.Retire(p)
			}
		},
	}, s.loop, log)
	s.manager.Connect(s.out)
	// What has begun is brought to its end: its own limits bound it.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	endWatching := s.programs.Watch(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { s.loop.Run(running) })
	s.end = func() {
		cancel()
		parts.Wait()
		endWatching()
		s.programs.Close()
	}
	s.read = func(folder string) error {
		options := s.options(o, log)
		if folder != "" {
			options.Dir, options.DirName = folder, filepath.Base(folder)
		}
		return s.install(ctx, c.Lua.BootTimeout.Std(), options)
	}
	if err := s.Reload(""); err != nil {
		s.End()
		return nil, err
	}
	return s, nil
}

// Reload has the scripts read again, from another folder if one is named. Where they fail those before go on.
func (s *Server) Reload(folder string) error { return s.read(folder) }

// End ends the server, and returns after all of it has ended.
func (s *Server) End() { s.end() }

// install loads scripts and has them take over; where they fail, those before go on. What they wait for on the way happens:
// the clock is moved as far as that needs, at most by the time that loading may take.
func (s *Server) install(ctx context.Context, limit time.Duration, options script.Options) error {
	ctx, end := context.WithTimeout(ctx, limit+time.Second)
	defer end()
	var p *script.Program
	loaded := false // the loop's
	began, done := make(chan struct{}), make(chan error, 1)
	var installing sync.WaitGroup
	defer installing.Wait()
	installing.Go(func() {
		_, err := s.manager.Install(ctx, func(h script.Host) (manager.Application, error) {
			close(began)
			defer func() { loaded = true }()
			made, err := script.New(options, h)
			if err != nil {
				return nil, err
			}
			p = made
			s.programs.Add(p)
			return p, p.Load()
		})
		done <- err
	})
	select {
	case <-began:
	case err := <-done: // it has not come so far
		return err
	}
	for s.idle() == nil && !loaded && (s.cast.cue() || s.clock.step(s.clock.Now().Add(limit))) {
		continue
	}
	err := <-done
	if err == nil {
		s.program = p
	}
	return errors.Join(err, s.rest())
}

// options are those of the engine, with a clock and other servers that the spec decides about.
func (s *Server) options(o Options, log *slog.Logger) script.Options {
	options := script.OptionsFor(o.Config, s.loop)
	if o.Manager != options.Manager {
		options.Manager, options.ManagerSetting = o.Manager, "the manager"
	}
	options.Builtin = o.Scripts
	options.From, options.Replaces = s.manager.Generation(), s.program
	options.Generation = options.From + 1
	options.Store = s.store
	options.Log = log
	options.Fetch = s.fetch
	options.Push = s.push
	options.Processes = s.cast
	return options
}

// turn runs f on the loop, and everything that follows from it.
func (s *Server) turn(f func()) error {
	if err := s.loop.Post("spec", f); err != nil {
		return err
	}
	return s.rest()
}

// rest runs the loop until nothing is left to do at the present time.
func (s *Server) rest() error {
	for range maxRounds {
		if err := s.idle(); err != nil {
			return err
		}
		if !s.cast.cue() && !s.clock.step(s.clock.Now()) && !s.part() {
			return nil
		}
	}
	return errRestless
}

// idle waits until the loop has taken every turn that is queued.
func (s *Server) idle() error {
	done := make(chan error, 1)
	rounds := 0
	var look func()
	look = func() {
		switch rounds++; {
		case s.loop.Queued() == 0:
			done <- nil
		case rounds == maxRounds:
			done <- errRestless
		default:
			s.loop.Next("spec", look)
		}
	}
	if err := s.loop.Post("spec", look); err != nil {
		return err
	}
	late := time.NewTimer(maxRest)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return errRestless
	}
}

// part does what the broker and the engine do when something ends: the manager is told of sockets that are closed, and a
// server that stops closes all of them. It tells whether there was anything to do.
func (s *Server) part() bool {
	busy := false
	if s.stopping != nil && !s.stopped {
		s.stopped, busy = true, true
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.manager.StopHook(ctx); err != nil {
			s.journal.add(err)
		}
		for _, socket := range s.out.sockets {
			socket.Close(*s.stopping)
		}
	}
	for _, socket := range s.out.sockets {
		if socket.closed != nil && !socket.detached {
			socket.detached, busy = true, true
			s.manager.Closed(socket, *socket.closed)
		}
	}
	return busy
}

// Advance moves the clock and runs what falls due on the way.
func (s *Server) Advance(d time.Duration) error {
	end := s.clock.Now().Add(d)
	for s.clock.step(end) {
		if err := s.rest(); err != nil {
			return err
		}
	}
	s.clock.set(end)
	return s.rest()
}

// Open attaches a new socket.
func (s *Server) Open() (*Socket, error) {
	if s.stopped {
		return nil, errors.New("the server has stopped")
	}
	socket := &Socket{id: uint64(len(s.out.sockets) + 1), opened: s.clock.Now(), topics: map[outbox.TopicID]bool{}}
	s.out.sockets = append(s.out.sockets, socket)
	s.manager.Open(socket)
	return socket, s.rest()
}

// With has the loop do something with the connection of a socket, if there still is one.
func (s *Server) With(socket *Socket, do func(c script.Client) error) (err error) {
	errTurn := s.turn(func() {
		for _, known := range s.manager.Host().Connections() {
			if known.ResourceID() == socket.id {
				err = do(known)
			}
		}
	})
	return cmp.Or(errTurn, err)
}

// Say has a client say something.
func (s *Server) Say(socket *Socket, text []byte) error {
	s.manager.Message(socket, text)
	return s.rest()
}

// Leave has a client go away.
func (s *Server) Leave(socket *Socket) error {
	socket.Close(wire.CloseNormal(""))
	return s.rest()
}

// ErrWaits is wrapped by the error of a command that is not done once the loop is idle.
var ErrWaits = errors.New("waits for something")

// Run runs a command, which must be done once the loop is idle.
func (s *Server) Run(command string, arguments wire.Value) (text []byte, err error) {
	done := false
	errTurn := s.turn(func() {
		var result wire.Value
		result, err = s.manager.Host().Run(command, arguments)
		if err == nil && result != nil {
			text, err = result.AppendJSON(nil)
		}
		done = true
	})
	switch {
	case errTurn != nil:
		return nil, errTurn
	case !done:
		return nil, fmt.Errorf("command %q %w", command, ErrWaits)
	}
	return text, err
}

// State returns the text of one of the scripts' states; nil where there is none.
func (s *Server) State(name string) ([]byte, error) {
	var saved store.Saved
	if err := s.turn(func() { saved = s.store.Save() }); err != nil {
		return nil, err
	}
	return saved.Texts[name], errors.Join(saved.Faults...)
}
