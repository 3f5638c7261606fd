package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/watch"
	"perigee/engine"
)

// reload has the server read its scripts and settings again, loudly or quietly, and tells the service manager.
func (s *service) reload(ctx context.Context, by func(ctx context.Context) (engine.Reload, error)) (engine.Reload, error) {
	done := s.notifier.Reloading()
	outcome, err := by(ctx)
	if err != nil {
		done("reload failed: " + err.Error())
		return outcome, err
	}
	done(fmt.Sprintf("generation %d", outcome.Generation))
	return outcome, nil
}

// reloadOnHangup reloads for each signal until ctx ends. Whoever sends one looks into the log, where the server says what has
// come of it.
func (s *service) reloadOnHangup(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.options.Hangups:
			_, _ = s.reload(ctx, s.server.Reload) // which logs it
		}
	}
}

// watch begins to watch the scripts and the settings.
func (s *service) watch() (err error) {
	s.watcher, err = watch.New(watch.Options{
		Folder: s.options.Settings.Lua.Path,
		Wanted: func(name string) bool {
			return strings.HasSuffix(name, ".lua") && !strings.HasSuffix(name, "_spec.lua")
		},
		File: s.options.File, // which somebody may write where there is none
		Log:  s.log,
	})
	return err
}

func (s *service) unwatch() {
	if s.watcher == nil {
		return
	}
	if err := s.watcher.Close(); err != nil {
		s.log.Warn("service: watching the scripts", "error", err)
	}
}

// reloadOnEdit reloads when files have changed, and tells whoever edits them at once, one line each. Where the log is for
// programs, a failure is in the log, as any other.
func (s *service) reloadOnEdit(ctx context.Context) {
	by := s.server.Reload
	if s.options.Complain != nil {
		by = s.server.ReloadQuietly
	}
	s.watcher.Run(ctx, func([]string) {
		outcome, err := s.reload(ctx, by)
		switch {
		case errors.Is(err, engine.ErrStopping):
			return
		case err != nil && s.options.Complain != nil:
			s.options.Complain(err)
		case err != nil:
		default:
			_, _ = fmt.Fprintln(s.options.Said, report.OfReload(outcome).Line())
		}
	})
}
