package spec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker/outbox"
	"perigee/engine/fetch"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/script"
	"perigee/engine/script/store"
	"perigee/engine/wire"
)

// Bounds of how long a server may take to come to rest.
const (
	maxRounds = 10_000           // turns and alarms for one thing that a spec does
	maxRest   = 30 * time.Second // of real time; the limits of scripts end turns long before
)

// errRestless says that work made work without end.
var errRestless = errors.New("the scripts do not come to rest: something runs again and again without the clock being moved")

// server is a server without sockets, for one it. Between two calls of its methods its loop is idle.
type server struct {
	loop    *loop.Loop
	clock   *clock
	manager *manager.Manager
	store   *store.Store
	cast    *cast
	journal *journal
	out     *outlet
	answers []answer // of other servers; written while the loop is idle

	jobs    []job // that scripts have pushed; written by the loop, and while it is idle
	lastJob uint64

	program  *script.Program          // that runs
	programs map[*script.Program]bool // all that have a machine; the loop's
	reload   func(folder string) error

	stopping *wire.Close // set by the loop
	stopped  bool
	end      func()
}

// answer is what a spec has another server say.
type answer struct {
	url      string // "*" in it stands for anything
	response fetch.Response
	failure  error // in the place of the response
}

// start loads the scripts into a new server.
func start(ctx context.Context, o Options, name string, j *journal) (*server, error) {
	c := o.Config
	s := &server{clock: &clock{now: began()}, store: store.New(), journal: j, out: &outlet{}, programs: map[*script.Program]bool{}}
	log := slog.New(s.journal)
	s.loop = loop.New(loop.Options{
		MaxWaiting: c.Lua.MaxWaiting,
		Clock:      s.clock,
		Panicked: func(turn string, v any, stack []byte) {
			s.journal.add(fmt.Sprintf("panic in turn %s: %v\n%s", turn, v, stack))
		},
	})
	var err error
	if s.cast, err = newCast(c, s.journal); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	s.manager = manager.New(manager.Options{
		Key:    auth.NewKey(Key),
		Limits: c.Limits,
		Roster: c.Roster,
		Drain:  c.Lua.Drain.Std(),
		Stop:   func(why wire.Close) { s.stopping = &why },
		Retired: func(a manager.Application) {
			if p, ok := a.(*script.Program); ok {
				delete(s.programs, p)
				p.Close()
			}
		},
	}, s.loop, log)
	s.manager.Connect(s.out)
	// What has begun is brought to its end: its own limits bound it.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watched, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	var parts, watchers sync.WaitGroup
	parts.Go(func() { s.loop.Run(running) })
	s.end = func() {
		cancel()
		parts.Wait()
		unwatch()
		watchers.Wait()
		for p := range s.programs {
			p.Close()
		}
	}
	s.reload = func(folder string) error {
		options := s.options(o, name, log)
		if folder != "" {
			options.Folder, options.Shown = folder, filepath.Base(folder)
		}
		return s.install(ctx, c.Lua.BootTimeout.Std(), options, func(p *script.Program) { watchers.Go(func() { p.Watch(watched) }) })
	}
	if err := s.reload(""); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// install loads scripts and has them take over; where they fail, those before go on. What they wait for on the way happens:
// the clock is moved as far as that needs, at most by the time that loading may take.
func (s *server) install(ctx context.Context, limit time.Duration, options script.Options, watch func(p *script.Program)) error {
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
			s.programs[p] = true
			watch(p)
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
func (s *server) options(o Options, name string, log *slog.Logger) script.Options {
	options := script.Settings(o.Config, s.loop)
	options.Manager = name
	options.Builtin = o.Scripts
	options.From, options.Before = s.manager.Generation(), s.program
	options.Generation = options.From + 1
	options.Store = s.store
	options.Log = log
	options.Fetch = s.fetch
	options.Push = s.push
	options.Processes = s.cast
	options.After = s.clock.AfterFunc
	return options
}

// turn runs f on the loop, and everything that follows from it.
func (s *server) turn(f func()) error {
	if err := s.loop.Post("spec", f); err != nil {
		return err
	}
	return s.rest()
}

// rest runs the loop until nothing is left to do at the present time.
func (s *server) rest() error {
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
func (s *server) idle() error {
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
func (s *server) part() bool {
	busy := false
	if s.stopping != nil && !s.stopped {
		s.stopped, busy = true, true
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.manager.StopHook(ctx); err != nil {
			s.journal.add(err.Error())
		}
		for _, socket := range s.out.sockets {
			socket.Close(*s.stopping)
		}
	}
	for _, socket := range s.out.sockets {
		if socket.closed != nil && !socket.detached {
			socket.detached, busy = true, true
			s.manager.Detach(socket, *socket.closed)
		}
	}
	return busy
}

// advance moves the clock and runs what falls due on the way.
func (s *server) advance(d time.Duration) error {
	end := s.clock.Now().Add(d)
	for s.clock.step(end) {
		if err := s.rest(); err != nil {
			return err
		}
	}
	s.clock.set(end)
	return s.rest()
}

// open attaches a new socket.
func (s *server) open() (*socket, error) {
	if s.stopped {
		return nil, errors.New("the server has stopped")
	}
	socket := &socket{id: uint64(len(s.out.sockets) + 1), opened: s.clock.Now(), topics: map[outbox.TopicID]bool{}}
	s.out.sockets = append(s.out.sockets, socket)
	s.manager.Attach(socket)
	return socket, s.rest()
}

// run runs a command, which must be done once the loop is idle.
func (s *server) run(command string, arguments wire.Value) (text []byte, err error) {
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
		return nil, fmt.Errorf("command %q waits for something; spec.run is for commands that end at once", command)
	}
	return text, err
}

// state returns the text of one of the scripts' states; nil where there is none.
func (s *server) state(name string) ([]byte, error) {
	var saved store.Saved
	if err := s.turn(func() { saved = s.store.Save() }); err != nil {
		return nil, err
	}
	return saved.Texts[name], errors.Join(saved.Faults...)
}

// answer has requests to a URL answered; the latest answer to it counts.
func (s *server) answer(a answer) {
	s.answers = append(s.answers, a)
}

// fetch answers a request of the scripts in a turn of its own.
func (s *server) fetch(r fetch.Request, done func(fetch.Response, error)) func() {
	found := answer{failure: fetch.Failure("refused")}
	known := false
	for _, a := range s.answers {
		if covers(a.url, r.URL) {
			found, known = a, true
		}
	}
	if !known {
		method := r.Method
		if method == "" {
			method = http.MethodGet
		}
		s.journal.add(fmt.Sprintf("no spec.http answers the scripts' request %s %s", method, r.URL))
	}
	s.loop.Next("http", func() { done(found.response, found.failure) })
	return func() {}
}

// covers tells whether a text is as a pattern, in which "*" stands for anything.
func covers(pattern, text string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for i := range len(text) + 1 {
		if covers(rest, text[i:]) {
			return true
		}
	}
	return false
}
