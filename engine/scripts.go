package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/script"
	"perigee/engine/script/loader"
	"perigee/engine/script/module"
	"perigee/engine/script/store"
)

// scripts are the options that scripts have wherever they are loaded.
func (s *Server) scripts(c config.Config, l script.Loop) script.Options {
	options := script.OptionsFor(c, l)
	if options.Memory > 0 {
		options.Memory += uint64(len(s.ballast)) // which is no script's
	}
	options.Builtin = s.options.Scripts
	options.Fetch = s.fetch.Start
	options.Processes = s.process
	return options
}

// within bounds how long scripts may load, waiting included; where they hold the loop for longer the machine ends them by
// itself, and says where.
func within(ctx context.Context, c config.Config) (limited context.Context, cancel func()) {
	return loop.WithRunningTimeout(ctx, c.Lua.BootTimeout.Std()+bootGrace,
		fmt.Errorf("engine: loading the scripts took longer than lua.boot_timeout, %s: they wait for something", c.Lua.BootTimeout))
}

// boot loads the first scripts.
func (s *Server) boot(ctx context.Context) (manager.Installed, error) {
	installed, err := s.install(ctx, s.config, rehearsed{sources: loader.NewSources(), schemas: &script.Schemas{}}, s.config.Lua.BootTimeout.Std())
	return installed.Installed, err
}

// installed is how an installation went.
type installed struct {
	manager.Installed
	pause time.Duration // for which the loop was held
}

// install loads scripts into a new machine on the loop and has them take over. Each slice of the loading may take as long as
// slice says. from has what a rehearsal has read. Where it fails nothing is left of the machine when it returns.
func (s *Server) install(ctx context.Context, c config.Config, from rehearsed, slice time.Duration) (installed, error) {
	var outcome installed
	var p *script.Program
	var began time.Time
	l := &timedLoop{Loop: s.loop}
	options := s.scripts(c, l)
	options.Sources, options.Schemas = from.sources, from.schemas
	options.BootTimeout = slice
	options.From = s.manager.Generation()
	options.Generation = options.From + 1
	options.Replaces = s.program
	options.Store = s.keeper.Store
	options.Log = s.log
	options.Push = s.jobs.Push
	options.OnHang = s.options.Stuck
	options.OnRun = func(generation int) { s.ran = generation }
	limited, cancel := within(ctx, c)
	defer cancel()
	var err error
	outcome.Installed, err = s.manager.Install(limited, func(h script.Host) (manager.Application, error) {
		began = time.Now()
		made, err := script.New(options, h)
		if err != nil {
			return nil, c.SettingError("lua.path", err)
		}
		p = made
		s.programs.Add(p)
		if err := p.Load(); err != nil {
			return nil, err
		}
		outcome.pause = -l.waited
		return p, nil
	})
	if err != nil {
		s.giveUp(ctx, func() *script.Program { return p })
		return installed{}, err
	}
	outcome.pause += outcome.Swapped.Sub(began)
	s.program, s.sources = p, from.sources
	return outcome, nil
}

// timedLoop is the loop of a program, and measures how long the turns of that wait. It is owned by the loop.
type timedLoop struct {
	*loop.Loop
	waited time.Duration
}

// Await suspends the present turn.
func (l *timedLoop) Await(start func(wake func())) error {
	since := time.Now()
	defer func() { l.waited += time.Since(since) }()
	return l.Loop.Await(start)
}

// giveUp ends scripts that did not come to run, and waits for that. The program is the loop's to know.
func (s *Server) giveUp(ctx context.Context, program func() *script.Program) {
	gone := make(chan struct{})
	err := s.loop.Post("reload", func() {
		p := program()
		if p == nil {
			close(gone)
			return
		}
		p.Retire(func() {
			s.programs.Retire(p)
			close(gone)
		})
		p.Interrupt(errors.New("the scripts could not be loaded"))
	})
	if err != nil {
		return // the loop has ended, and with it whatever waited
	}
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

// retired closes scripts of which nothing is left.
func (s *Server) retired(a manager.Application) {
	if p, ok := a.(*script.Program); ok {
		s.programs.Retire(p)
	}
}

// rehearsal says what is rehearsed.
type rehearsal struct {
	config config.Config
	from   int // the number of the scripts that run; 0 is none
	store  *store.Store
	borrow func(name string, done func(l *store.Copy)) (callOff func()) // copies what the store lacks; nil: it lacks nothing
	slice  time.Duration                                                // how long a turn may take
	log    *slog.Logger
}

// rehearsed is what a rehearsal was about and what came of it.
type rehearsed struct {
	routes  manager.Routes
	sources *loader.Sources
	schemas *script.Schemas
}

// rehearse loads and boots scripts on a loop of their own, where nobody notices: no clients, no processes, no queue. Only
// requests to other servers are really made.
func (s *Server) rehearse(ctx context.Context, r rehearsal) (rehearsed, error) {
	l := loop.New(loop.Options{MaxWaiting: r.config.Lua.MaxWaiting, OnPanic: func(turn string, value any, stack []byte) {
		r.log.Error("loop: turn panicked", "turn", turn, "panic", value, "stack", string(stack))
	}})
	m := manager.New(manager.Options{Limits: r.config.Limits, Roster: r.config.Roster}, l, r.log)
	m.SetPublisher(nobody{})
	var all script.Generations
	defer all.Close()
	defer all.Watch(ctx)()
	var running sync.WaitGroup
	defer running.Wait()
	live, stop := context.WithCancel(ctx)
	defer stop()
	running.Go(func() { l.Run(live) })

	options := s.scripts(r.config, l)
	options.Sources, options.Schemas = loader.NewSources(), &script.Schemas{}
	options.TurnTimeout, options.BootTimeout = r.slice, r.slice
	options.From, options.Generation = r.from, r.from+1
	options.Rehearsal = true
	options.Push = pushNowhere
	options.Store, options.CopyState = r.store, r.borrow
	options.Log = r.log
	limited, cancel := within(ctx, r.config)
	defer cancel()
	routes, err := m.Rehearse(limited, func(h script.Host) (manager.Application, error) {
		p, err := script.New(options, h)
		if err != nil {
			return nil, r.config.SettingError("lua.path", err)
		}
		all.Add(p)
		return p, p.Load()
	})
	return rehearsed{routes: routes, sources: options.Sources, schemas: options.Schemas}, err
}

// pushNowhere is what becomes of the jobs that a rehearsal puts.
func pushNowhere(_ module.Push, done func(id uint64, err error)) (cancel func()) {
	done(0, nil)
	return func() {}
}

// nobody is who hears what a rehearsal says.
type nobody struct{}

func (nobody) Publish(outbox.TopicID, *outbox.Frame) {}

// borrow copies a table of the scripts that run for a rehearsal, a millisecond at a time between their turns.
func (s *Server) borrow(name string, done func(l *store.Copy)) (callOff func()) {
	var off atomic.Bool
	err := s.loop.Post("copy state", func() {
		loan := s.keeper.Store.StartCopy(name)
		var step func()
		step = func() {
			switch {
			case off.Load():
			case loan == nil || loan.Step():
				done(loan)
			default:
				s.loop.Next("copy state", step)
			}
		}
		step()
	})
	if err != nil {
		done(nil) // the server stops, and the rehearsal with it
	}
	return func() { off.Store(true) }
}
