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

// reload runs a reload, which is Server.Reload or ReloadQuietly, and notifies the service manager.
func (s *service) reload(ctx context.Context, run func(ctx context.Context) (engine.Reload, error)) (engine.Reload, error) {
	done := s.notifier.Reloading()
	reload, err := run(ctx)
	if err != nil {
		done("reload failed: " + err.Error())
		if !errors.Is(err, engine.ErrStopping) {
			err = fmt.Errorf("not reloaded; the previous scripts keep running: %w", err)
		}
		return reload, err
	}
	done(fmt.Sprintf("generation %d", reload.Generation))
	return reload, nil
}

// reloadOnHangup reloads for each SIGHUP until ctx ends. The result is in the log.
func (s *service) reloadOnHangup(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.options.Hangups:
			_, _ = s.reload(ctx, s.server.Reload) // Reload logs the error
		}
	}
}

// watch starts watching the scripts and the settings file.
func (s *service) watch() (err error) {
	s.watcher, err = watch.New(watch.Options{
		Dir: s.options.Settings.Lua.Path,
		Wanted: func(name string) bool {
			return strings.HasSuffix(name, ".lua") && !strings.HasSuffix(name, "_spec.lua")
		},
		File: s.options.File, // it may be created later
		Log:  s.log,
	})
	return err
}

func (s *service) closeWatcher() {
	if s.watcher == nil {
		return
	}
	if err := s.watcher.Close(); err != nil {
		s.log.Warn("service: closing the file watcher failed", "error", err)
	}
}

// reloadOnEdit reloads when files have changed, and prints the result in one line. If there is a PrintError, errors are printed, and
// nothing is logged; otherwise the server logs the result as well.
func (s *service) reloadOnEdit(ctx context.Context) {
	run := s.server.Reload
	if s.options.PrintError != nil {
		run = s.server.ReloadQuietly
	}
	s.watcher.Run(ctx, func([]string) {
		reload, err := s.reload(ctx, run)
		switch {
		case errors.Is(err, engine.ErrStopping):
			return
		case err != nil && s.options.PrintError != nil:
			s.options.PrintError(err)
		case err != nil:
		default:
			_, _ = fmt.Fprintln(s.options.Stdout, report.NewReload(reload).Line())
		}
	})
}
