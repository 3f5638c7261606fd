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

// scriptOptions returns the options that all scripts have in common, on the loop of the server or on that of a dry run.
func (s *Server) scriptOptions(c config.Config, l script.Loop) script.Options {
	options := script.OptionsFor(c, l)
	if options.Memory > 0 {
		options.Memory += uint64(len(s.options.Padding)) // does not count
	}
	options.Builtin = s.options.Scripts
	options.Fetch = s.fetch.Start
	options.Processes = s.process
	return options
}

// newAudit returns an audit of the state, or nil if the state is not saved.
func (s *Server) newAudit(c config.Config) *store.Audit {
	if c.State.File == "" {
		return nil
	}
	return store.NewAudit(s.saver.Store, store.AuditOptions{
		Report: script.LogFinding(s.log),
		After:  func(d time.Duration, run func()) { s.loop.After(d, "state", run) },
	})
}

// withBootTimeout limits how long scripts may load, waits included. If they hold the loop for too long, the limit of the turn
// ends them first, with the place in the script.
func withBootTimeout(ctx context.Context, c config.Config) (limited context.Context, cancel func()) {
	return loop.WithRunningTimeout(ctx, c.Lua.BootTimeout.Std()+bootGrace,
		fmt.Errorf("engine: loading the scripts took longer than lua.boot_timeout, %s: a script waits for something", c.Lua.BootTimeout))
}

// boot loads the first scripts.
func (s *Server) boot(ctx context.Context) (manager.Installed, error) {
	installed, err := s.install(ctx, s.config, rehearsalResult{sources: loader.NewSources(), schemas: &script.Schemas{}}, s.config.Lua.BootTimeout.Std())
	return installed.Installed, err
}

// installed is the outcome of an installation.
type installed struct {
	manager.Installed
	pause time.Duration // for which the loop was held
}

// install loads scripts into a new Lua VM on the loop and makes them the ones that run. from has the files that a rehearsal has
// read. slice is how long the loading may hold the loop at a time. If install fails, the VM is closed when it returns.
func (s *Server) install(ctx context.Context, c config.Config, from rehearsalResult, slice time.Duration) (installed, error) {
	var outcome installed
	var p *script.Program
	var began time.Time
	l := &timedLoop{Loop: s.loop}
	options := s.scriptOptions(c, l)
	options.Sources, options.Schemas = from.sources, from.schemas
	options.BootTimeout = slice
	if s.options.Lint && !from.linted {
		options.Lint = s.log
	}
	options.From = s.manager.Generation()
	options.Generation = options.From + 1
	options.Replaces = s.program
	options.Store, options.Audit = s.saver.Store, s.audit
	options.Log, options.Refusals = s.log, s.refusals
	options.Push = s.jobs.Push
	options.OnHang = s.options.OnHang
	options.OnRun = func(generation int) { s.lastGeneration = generation }
	limited, cancel := withBootTimeout(ctx, c)
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
		s.discardProgram(ctx, func() *script.Program { return p })
		return installed{}, err
	}
	outcome.pause += outcome.Swapped.Sub(began)
	s.program, s.sources = p, from.sources
	return outcome, nil
}

// timedLoop is the loop of a program, and measures how long its turns wait. It belongs to the loop.
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

// discardProgram ends scripts that could not be installed, and waits for their end. program is called on the loop.
func (s *Server) discardProgram(ctx context.Context, program func() *script.Program) {
	ended := make(chan struct{})
	err := s.loop.Post("reload", func() {
		p := program()
		if p == nil {
			close(ended)
			return
		}
		p.Retire(func() {
			s.programs.Retire(p)
			close(ended)
		})
		p.Interrupt(errors.New("the scripts could not be loaded"))
	})
	if err != nil {
		return // the loop has ended, and with it all handlers
	}
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// retire closes replaced scripts that have nothing left to do.
func (s *Server) retire(a manager.Application) {
	if p, ok := a.(*script.Program); ok {
		s.programs.Retire(p)
	}
}

// rehearsal is a dry run of scripts.
type rehearsal struct {
	config    config.Config
	from      int // the generation that runs; 0 means none
	store     *store.Store
	copyState func(name string, done func(l *store.Copy)) (cancel func()) // copies what the store lacks; nil: it lacks nothing
	slice     time.Duration                                               // how long a turn may take
	log, lint *slog.Logger                                                // lint is for warnings of names that nothing defines; optional
}

// rehearsalResult has the registrations of scripts in a rehearsal, and the files that they were read from.
type rehearsalResult struct {
	routes  manager.Routes
	sources *loader.Sources
	schemas *script.Schemas
	linted  bool // the log has the warnings about the scripts
}

// rehearse loads and boots scripts on a loop of their own, without clients, processes and a queue. Only HTTP requests of the
// scripts are really sent.
func (s *Server) rehearse(ctx context.Context, r rehearsal) (rehearsalResult, error) {
	l := loop.New(loop.Options{MaxWaiting: r.config.Lua.MaxWaiting, OnPanic: func(turn string, value any, stack []byte) {
		r.log.Error("loop: turn panicked", "turn", turn, "panic", value, "stack", string(stack))
	}})
	m := manager.New(manager.Options{Limits: r.config.Limits, Roster: r.config.Roster, Resume: r.config.Resume}, l, r.log)
	m.SetPublisher(noClients{})
	var all script.Generations
	defer all.Close()
	defer all.Watch(ctx)()
	var looping sync.WaitGroup
	defer looping.Wait()
	live, stop := context.WithCancel(ctx)
	defer stop()
	looping.Go(func() { l.Run(live) })

	options := s.scriptOptions(r.config, l)
	options.Sources, options.Schemas = loader.NewSources(), &script.Schemas{}
	options.TurnTimeout, options.BootTimeout = r.slice, r.slice
	options.From, options.Generation = r.from, r.from+1
	options.Rehearsal, options.Lint = true, r.lint
	options.Push = func(_ module.Push, done func(id uint64, err error)) (cancel func()) { // discards the job
		done(0, nil)
		return func() {}
	}
	options.Store, options.CopyState = r.store, r.copyState
	options.Log = r.log
	limited, cancel := withBootTimeout(ctx, r.config)
	defer cancel()
	routes, err := m.Rehearse(limited, func(h script.Host) (manager.Application, error) {
		p, err := script.New(options, h)
		if err != nil {
			return nil, r.config.SettingError("lua.path", err)
		}
		all.Add(p)
		return p, p.Load()
	})
	return rehearsalResult{routes: routes, sources: options.Sources, schemas: options.Schemas, linted: r.lint != nil}, err
}

// noClients is the publisher of a rehearsal.
type noClients struct{}

func (noClients) Publish(outbox.TopicID, *outbox.Frame) {}

// copyState copies a table of the running scripts for a rehearsal, a millisecond at a time between their turns.
func (s *Server) copyState(name string, done func(l *store.Copy)) (cancel func()) {
	var cancelled atomic.Bool
	err := s.loop.Post("copy state", func() {
		copied := s.saver.Store.StartCopy(name)
		var step func()
		step = func() {
			switch {
			case cancelled.Load():
			case copied == nil || copied.Step():
				done(copied)
			default:
				s.loop.Next("copy state", step)
			}
		}
		step()
	})
	if err != nil {
		done(nil) // the server stops, and with it the rehearsal
	}
	return func() { cancelled.Store(true) }
}
