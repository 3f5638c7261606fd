package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"perigee/engine/config"
	"perigee/engine/failures"
	"perigee/engine/manager/registry"
	"perigee/engine/script/api"
	"perigee/engine/script/store"
)

// ErrStopping is returned for a reload that has not begun when the server stops.
var ErrStopping = errors.New("engine: reload: the server is stopping")

// Reload is the outcome of a reload, or of a dry run.
type Reload struct {
	// Generation is the number of the scripts that run afterwards.
	Generation int
	// Took is how long the reload took, Pause how long it held the loop.
	Took, Pause time.Duration
	// Changes are the differences between the messages, commands and listeners of the previous and the new scripts.
	Changes []registry.Change
	// Settings are those that have changed.
	Settings []config.Change
	// NeedsRestart are the settings that differ but cannot change while the server runs. They keep the value Before.
	NeedsRestart []config.Change
	// Warnings name the values and timers that the new scripts could not take over, one sentence each.
	Warnings []string
}

// Reload reads settings and scripts again and replaces the running scripts by the new ones. If either has a fault, the server
// continues unchanged, and the error has the place. Reloads run one after the other; all those requested while one runs become
// one. Reload waits for the outcome, at most until ctx ends, which does not cancel the reload.
func (s *Server) Reload(ctx context.Context) (Reload, error) {
	return s.reloads.request(ctx, false, false)
}

// ReloadQuietly is Reload for a caller that reports the outcome itself: it is not logged, unless another caller of Reload waits for
// the same reload.
func (s *Server) ReloadQuietly(ctx context.Context) (Reload, error) {
	return s.reloads.request(ctx, false, true)
}

// Compare returns what Reload would do, without doing it.
func (s *Server) Compare(ctx context.Context) (Reload, error) {
	return s.reloads.request(ctx, true, true)
}

// reloads queues reloads, which run one after the other.
type reloads struct {
	wake chan struct{} // capacity 1; request sends, startReloads receives; never closed

	// Guarded by mu.
	mu     sync.Mutex
	queued map[bool]*reloadRequest // by whether they only compare
	closed bool
}

// reloadRequest is a reload that one or more callers wait for.
type reloadRequest struct {
	done    chan struct{} // closed when outcome and err are set
	outcome Reload
	err     error

	quiet bool // all callers report the outcome themselves; guarded by mu of reloads until the reload begins
}

// request queues a reload and waits for its outcome. It shares one that is queued but has not begun. quiet means that the caller
// reports the outcome itself.
func (r *reloads) request(ctx context.Context, compare, quiet bool) (Reload, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return Reload{}, ErrStopping
	}
	request := r.queued[compare]
	if request == nil {
		request = &reloadRequest{done: make(chan struct{}), quiet: true}
		r.queued[compare] = request
	}
	request.quiet = request.quiet && quiet
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	select {
	case <-request.done:
		return request.outcome, request.err
	case <-ctx.Done():
		return Reload{}, context.Cause(ctx)
	}
}

// take returns the next queued request, or nil.
func (r *reloads) take() (request *reloadRequest, compare bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for compare, request := range r.queued {
		delete(r.queued, compare)
		return request, compare
	}
	return nil, false
}

// close refuses the requests that have not begun, and all later ones.
func (r *reloads) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, request := range r.queued {
		request.err = ErrStopping
		close(request.done)
	}
}

// startReloads runs the reloads that are requested, until ctx ends. That cancels a reload in progress, unless the new scripts run
// already.
func (s *Server) startReloads(ctx context.Context) (reloading *sync.WaitGroup) {
	reloading = &sync.WaitGroup{}
	reloading.Go(func() {
		defer s.reloads.close()
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.reloads.wake:
			}
			for ctx.Err() == nil {
				request, compare := s.reloads.take()
				if request == nil {
					break
				}
				if compare {
					request.outcome, _, request.err = s.compare(ctx)
				} else {
					request.outcome, request.err = s.reload(ctx, request.quiet)
				}
				close(request.done)
			}
		}
	})
	return reloading
}

// candidate has the scripts and settings that a reload will put in force.
type candidate struct {
	rehearsalResult
	config   config.Config
	prepared prepared
}

// compare reads settings and scripts and rehearses them.
func (s *Server) compare(ctx context.Context) (Reload, candidate, error) {
	began := time.Now()
	outcome := Reload{Generation: s.manager.Generation()}
	n := candidate{config: s.config}
	if s.options.Reload != nil {
		settings, err := s.options.Reload()
		if err != nil {
			return outcome, n, err
		}
		if err := checkStillSet(s.config, settings); err != nil {
			return outcome, n, err
		}
		n.config, outcome.Settings, outcome.NeedsRestart = s.config.Reload(settings)
	}
	if err := checkFiles(n.config.Server.MaxConnections); err != nil {
		return outcome, n, err
	}
	log := s.log
	if reflect.DeepEqual(n.config.Server, s.config.Server) {
		log = slog.New(slog.DiscardHandler) // prepare has logged the same before
	}
	var err error
	if n.prepared, err = s.prepare(n.config, log); err != nil {
		return outcome, n, err
	}
	if n.prepared.manager.Key.IsDefault() && !s.key.IsDefault() {
		return outcome, n, errWeakKey
	}
	if file := n.config.Server.KeyFile; file != "" && file == s.config.Server.KeyFile && n.prepared.manager.Key != s.key {
		outcome.Settings = append(outcome.Settings, config.Change{Name: "server.key_file"}) // its content has changed
	}
	for _, k := range n.prepared.manager.ProgramKeys {
		if reflect.DeepEqual(n.config.Keys[k.Name], s.config.Keys[k.Name]) && !slices.ContainsFunc(s.programKeys, k.Same) {
			outcome.Settings = append(outcome.Settings, config.Change{Name: "keys." + k.Name}) // the content of its file has changed
		}
	}
	var lint *slog.Logger
	if s.options.Lint {
		lint = s.log
	}
	r, err := s.rehearse(ctx, rehearsal{
		config: n.config, from: outcome.Generation, store: store.New(), copyState: s.copyState,
		slice: n.config.Lua.TurnTimeout.Std(), log: slog.New(errorsOnly{s.log.Handler()}), lint: lint,
	})
	if err != nil {
		return outcome, n, err
	}
	n.rehearsalResult = r
	if err := s.checkStillThere(n); err != nil {
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

// errWeakKey is returned by a reload that would replace a good admin key by a weak one.
var errWeakKey = errors.New("engine: reload: server.key would become weak; set 12 bytes or more, or restart the server to allow it")

// checkStillSet fails if the settings file has vanished or is empty, so that an editor's save does not reset all settings to their
// defaults.
func checkStillSet(now, next config.Config) error {
	switch {
	case now.Path != "" && next.Path == "":
		return fmt.Errorf("engine: reload: the settings file %s no longer exists", now.Path)
	case now.Path != "" && !now.Blank && next.Blank:
		return fmt.Errorf("engine: reload: the settings file %s is empty now", now.Path)
	}
	return nil
}

// checkStillThere fails if the scripts directory has vanished, so that the built-in scripts do not replace the running ones while
// the directory is being deployed.
func (s *Server) checkStillThere(n candidate) error {
	path, manager := n.config.Lua.Path, n.config.Lua.Manager
	switch {
	case path != s.config.Lua.Path:
		return nil // the setting has changed
	case s.sources.AnyOwn() && !n.sources.AnyOwn():
		return fmt.Errorf("engine: reload: the running scripts were loaded from %s, which has no scripts now", path)
	case s.sources.Own(manager) && manager == s.config.Lua.Manager && !n.sources.Own(manager):
		return fmt.Errorf("engine: reload: module %q was loaded from %s and is no longer there", manager, path)
	}
	return nil
}

// reload implements Reload, or ReloadQuietly if it is quiet.
func (s *Server) reload(ctx context.Context, quiet bool) (Reload, error) {
	began := time.Now()
	outcome, n, err := s.compare(ctx)
	if err == nil {
		err = s.replace(ctx, n, &outcome)
	}
	outcome.Took = time.Since(began)
	if err != nil {
		s.counts.failedReloads.Add(1)
		return Reload{Generation: outcome.Generation}, s.reportFailure(outcome.Generation, err, quiet)
	}
	s.counts.reloads.Add(1)
	s.counts.pause.Store(int64(outcome.Pause))
	if !quiet {
		s.logReload(outcome)
	}
	return outcome, nil
}

// replace puts the rehearsed scripts and settings in force.
func (s *Server) replace(ctx context.Context, n candidate, outcome *Reload) error {
	done, err := s.install(ctx, n.config, n.rehearsalResult, n.config.Lua.TurnTimeout.Std())
	if err != nil {
		return err
	}
	s.apply(n.config, n.prepared)
	outcome.Generation, outcome.Pause = done.After.Generation, done.pause
	outcome.Changes = done.Before.Changes(done.After)
	outcome.Warnings = done.Warnings
	return nil
}

// FailedReload is the error of a reload that failed at a place in a script, with the lines around it.
type FailedReload struct {
	error
	Failure failures.Failure
}

func (e *FailedReload) Unwrap() error { return e.error }

// reportFailure keeps a failed reload for operators, and logs it unless it is quiet. It returns the error for its caller.
func (s *Server) reportFailure(generation int, err error, quiet bool) error {
	fields, traceback := []any{"error", err, "generation", generation}, ""
	if failure, ok := errors.AsType[*api.Error](err); ok {
		traceback = failure.Traceback()
		fields = append(fields, "traceback", traceback)
	}
	f := s.keepFailure(generation, err, traceback)
	if !quiet {
		s.log.Error("engine: reload failed; the server continues unchanged", fields...)
	}
	if len(f.Source) == 0 {
		return err
	}
	return &FailedReload{err, f}
}

func (s *Server) logReload(r Reload) {
	s.log.Info("engine: reloaded", "generation", r.Generation, "took", r.Took, "pause", r.Pause, "changes", len(r.Changes))
	for _, c := range r.Changes {
		level := slog.LevelInfo
		if c.Weaker {
			level = slog.LevelWarn
		}
		s.log.Log(context.Background(), level, "engine: reload changed a registration",
			"kind", c.Kind, "name", c.Name, "what", c.What, "detail", c.Detail, "weaker", c.Weaker)
	}
	for _, c := range r.Settings {
		s.log.Info("engine: a setting has changed", fields(c)...)
	}
	for _, c := range r.NeedsRestart {
		s.log.Warn("engine: a setting needs a restart", fields(c)...)
	}
	for _, warning := range r.Warnings {
		s.log.Warn("engine: reload warning", "warning", warning)
	}
}

// fields returns the log fields of a setting that differs.
func fields(c config.Change) []any {
	if c.Before == nil {
		return []any{"setting", c.Name}
	}
	return []any{"setting", c.Name, "before", c.Before, "after", c.After}
}

type errorsOnly struct{ slog.Handler }

// Enabled reports whether records of a level are logged.
func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}
