package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"perigee/engine/config"
	"perigee/engine/manager/registry"
	"perigee/engine/script/api"
	"perigee/engine/script/store"
)

// ErrStopping is returned for a reload that a server does not begin any more.
var ErrStopping = errors.New("engine: reload: the server stops")

// Reload is what a reload did, or would do.
type Reload struct {
	// Generation is the number of the scripts that run afterwards.
	Generation int
	// Took is how long all of it lasted, Pause for how long of that nothing else could run.
	Took, Pause time.Duration
	// Changes are what clients and other programs can do now that they could not before, and the other way round.
	Changes []registry.Change
	// Settings are those that are in force otherwise than before.
	Settings []config.Change
	// NeedsRestart are the settings that differ and that a running server cannot change: they are in force as Before.
	NeedsRestart []config.Change
	// Warnings name what could not go over to the new scripts, one sentence each.
	Warnings []string
}

// Reload reads settings and scripts again and lets the new scripts take over. Where anything is wrong with them the server
// goes on as before, and the error has the place. Reloads run one after the other; those that are asked for while one runs
// become one. Reload waits for the outcome, at most until ctx ends, which does not call it off.
func (s *Server) Reload(ctx context.Context) (Reload, error) { return s.reloads.ask(ctx, false, false) }

// ReloadQuietly is Reload for a caller that tells people of a failure: it is not logged, unless somebody else asked for the same.
func (s *Server) ReloadQuietly(ctx context.Context) (Reload, error) {
	return s.reloads.ask(ctx, false, true)
}

// Compare returns what Reload would do, without doing it.
func (s *Server) Compare(ctx context.Context) (Reload, error) { return s.reloads.ask(ctx, true, true) }

// reloads has reloads run one after the other.
type reloads struct {
	wake chan struct{} // capacity 1; ask sends, runReloads receives; never closed

	// Guarded by mu.
	mu     sync.Mutex
	next   map[bool]*round // that have not begun, by whether they only compare
	closed bool
}

// round is one reload and whoever waits for it.
type round struct {
	done    chan struct{} // closed when the outcome stands here
	outcome Reload
	err     error

	quiet bool // all of them tell of a failure; guarded by mu of reloads until the round begins
}

func newReloads() *reloads {
	return &reloads{wake: make(chan struct{}, 1), next: map[bool]*round{}}
}

// ask waits for the outcome of a reload that has not begun yet. quiet tells that the caller tells of a failure.
func (r *reloads) ask(ctx context.Context, compare, quiet bool) (Reload, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return Reload{}, ErrStopping
	}
	now := r.next[compare]
	if now == nil {
		now = &round{done: make(chan struct{}), quiet: true}
		r.next[compare] = now
	}
	now.quiet = now.quiet && quiet
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	select {
	case <-now.done:
		return now.outcome, now.err
	case <-ctx.Done():
		return Reload{}, context.Cause(ctx)
	}
}

// take returns what is to be done next, or nil.
func (r *reloads) take() (now *round, compare bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for compare, now := range r.next {
		delete(r.next, compare)
		return now, compare
	}
	return nil, false
}

// close refuses what has not begun.
func (r *reloads) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, now := range r.next {
		now.err = ErrStopping
		close(now.done)
	}
}

// runReloads reloads whenever somebody asks, until ctx ends. What has begun then is called off, unless it has come so far
// that the new scripts run.
func (s *Server) runReloads(ctx context.Context) (running *sync.WaitGroup) {
	running = &sync.WaitGroup{}
	running.Go(func() {
		defer s.reloads.close()
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.reloads.wake:
			}
			for ctx.Err() == nil {
				now, compare := s.reloads.take()
				if now == nil {
					break
				}
				if compare {
					now.outcome, _, now.err = s.compare(ctx)
				} else {
					now.outcome, now.err = s.reload(ctx, now.quiet)
				}
				close(now.done)
			}
		}
	})
	return running
}

// next is what a reload is about to put in force.
type next struct {
	rehearsed
	config config.Config
	effect effect
}

// compare reads settings and scripts and rehearses them.
func (s *Server) compare(ctx context.Context) (Reload, next, error) {
	began := time.Now()
	outcome := Reload{Generation: s.manager.Generation()}
	n := next{config: s.config}
	if s.options.Reload != nil {
		others, err := s.options.Reload()
		if err != nil {
			return outcome, n, err
		}
		if err := lost(s.config, others); err != nil {
			return outcome, n, err
		}
		n.config, outcome.Settings, outcome.NeedsRestart = s.config.Reload(others)
	}
	if err := checkFiles(n.config.Server.MaxConnections); err != nil {
		return outcome, n, err
	}
	log := s.log
	if reflect.DeepEqual(n.config.Server, s.config.Server) {
		log = slog.New(slog.DiscardHandler) // it has been said
	}
	var err error
	if n.effect, err = s.prepare(n.config, log); err != nil {
		return outcome, n, err
	}
	if n.effect.manager.Key.IsDefault() && !s.key.IsDefault() {
		return outcome, n, errWeakKey
	}
	if file := n.config.Server.KeyFile; file != "" && file == s.config.Server.KeyFile && n.effect.manager.Key != s.key {
		outcome.Settings = append(outcome.Settings, config.Change{Name: "server.key_file"}) // what stands in it
	}
	r, err := s.rehearse(ctx, rehearsal{
		config: n.config, from: outcome.Generation, store: store.New(), borrow: s.borrow,
		slice: n.config.Lua.TurnTimeout.Std(), log: slog.New(errorsOnly{s.log.Handler()}),
	})
	if err != nil {
		return outcome, n, err
	}
	n.rehearsed = r
	if err := s.vanished(n); err != nil {
		return outcome, n, err
	}
	now, err := s.manager.Routes(ctx)
	if err != nil {
		return outcome, n, err
	}
	outcome.Changes = now.Changes(r.routes)
	outcome.Took = time.Since(began)
	return outcome, n, nil
}

// errWeakKey is the error of a reload after which everybody would know the admin key, and nobody has before.
var errWeakKey = errors.New("engine: reload: server.key would become one that everybody knows; it takes 12 bytes or more, or a restart")

// lost is the error of a settings file that is gone for the moment, or was emptied: the settings that nobody has made, which
// would be in force in its place, are not meant.
func lost(now, next config.Config) error {
	switch {
	case now.Path != "" && next.Path == "":
		return fmt.Errorf("engine: reload: the settings came from %s, and it is not there any more", now.Path)
	case now.Path != "" && !now.Blank && next.Blank:
		return fmt.Errorf("engine: reload: the settings came from %s, and nothing is set there any more", now.Path)
	}
	return nil
}

// vanished is the error of a scripts folder that is not there for the moment: the scripts of the binary, which would run in
// its place, are not meant.
func (s *Server) vanished(n next) error {
	path, manager := n.config.Lua.Path, n.config.Lua.Manager
	switch {
	case path != s.config.Lua.Path:
		return nil // somebody has said so
	case s.sources.AnyOwn() && !n.sources.AnyOwn():
		return fmt.Errorf("engine: reload: the scripts that run came from %s, and there are none any more", path)
	case s.sources.Own(manager) && manager == s.config.Lua.Manager && !n.sources.Own(manager):
		return fmt.Errorf("engine: reload: module %q came from %s, and it is not there any more", manager, path)
	}
	return nil
}

// reload does what Reload says; where it is quiet, what ReloadQuietly says.
func (s *Server) reload(ctx context.Context, quiet bool) (Reload, error) {
	began := time.Now()
	outcome, n, err := s.compare(ctx)
	if err == nil {
		err = s.replace(ctx, n, &outcome)
	}
	outcome.Took = time.Since(began)
	if err != nil {
		s.counts.failedReloads.Add(1)
		if !quiet {
			s.logFailure(outcome.Generation, err)
		}
		return Reload{Generation: outcome.Generation}, err
	}
	s.counts.reloads.Add(1)
	s.counts.pause.Store(int64(outcome.Pause))
	s.logReload(outcome)
	return outcome, nil
}

// replace has the scripts and settings that were rehearsed take over.
func (s *Server) replace(ctx context.Context, n next, outcome *Reload) error {
	done, err := s.install(ctx, n.config, n.rehearsed, n.config.Lua.TurnTimeout.Std())
	if err != nil {
		return err
	}
	s.apply(n.config, n.effect)
	outcome.Generation, outcome.Pause = done.After.Generation, done.pause
	outcome.Changes = done.Before.Changes(done.After)
	outcome.Warnings = done.Warnings
	return nil
}

func (s *Server) logFailure(generation int, err error) {
	fields := []any{"error", err, "generation", generation}
	if failure, ok := errors.AsType[*api.Error](err); ok {
		fields = append(fields, "traceback", failure.Traceback())
	}
	s.log.Error("engine: reload failed, everything goes on as before", fields...)
}

func (s *Server) logReload(r Reload) {
	s.log.Info("engine: reloaded", "generation", r.Generation, "took", r.Took, "pause", r.Pause, "changes", len(r.Changes))
	for _, c := range r.Changes {
		level := slog.LevelInfo
		if c.Weaker {
			level = slog.LevelWarn
		}
		s.log.Log(context.Background(), level, "engine: reload changes what is registered",
			"kind", c.Kind, "name", c.Name, "what", c.What, "detail", c.Detail, "weaker", c.Weaker)
	}
	for _, c := range r.Settings {
		s.log.Info("engine: a setting has changed", fields(c)...)
	}
	for _, c := range r.NeedsRestart {
		s.log.Warn("engine: a setting needs a restart", fields(c)...)
	}
	for _, warning := range r.Warnings {
		s.log.Warn("engine: reload", "warning", warning)
	}
}

// fields are what the log tells of a setting that differs.
func fields(c config.Change) []any {
	if c.Before == nil {
		return []any{"setting", c.Name}
	}
	return []any{"setting", c.Name, "before", c.Before, "after", c.After}
}

// errorsOnly is a log of nothing but errors.
type errorsOnly struct{ slog.Handler }

// Enabled tells whether records of a level are kept.
func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}
