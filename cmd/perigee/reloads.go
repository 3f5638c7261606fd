package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"perigee/engine"
	"perigee/engine/watch"
)

// reload has the server read its scripts and settings again, and tells the service manager.
func (s *service) reload(ctx context.Context) (engine.Reload, error) {
	done := s.notifier.Reloading()
	outcome, err := s.server.Reload(ctx)
	if err != nil {
		done("reload failed: " + err.Error())
		return outcome, err
	}
	done(fmt.Sprintf("generation %d", outcome.Generation))
	return outcome, nil
}

// hangups are SIGHUPs, which ask for a reload. Those that come during one are one more.
func hangups() (signals chan os.Signal, end func()) {
	signals = make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}

// reloadOnHangup reloads for each signal until ctx ends. Whoever sends one looks into the log, where the server says what has
// come of it.
func (s *service) reloadOnHangup(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.with.hangups:
			_, _ = s.reload(ctx) // the server logs it
		}
	}
}

// watch begins to watch the scripts and the settings.
func (s *service) watch() (err error) {
	s.watcher, err = watch.New(watch.Options{
		Folder: s.settings.Lua.Path,
		Wanted: func(name string) bool {
			return strings.HasSuffix(name, ".lua") && !strings.HasSuffix(name, "_spec.lua")
		},
		File: s.file, // which somebody may write where there is none
		Log:  s.log,
	})
	return err
}

func (s *service) unwatch() {
	if s.watcher == nil {
		return
	}
	if err := s.watcher.Close(); err != nil {
		s.log.Warn("perigee: watching the scripts", "error", err)
	}
}

// reloadOnEdit reloads when files have changed, and tells whoever edits them at once, one line each.
func (s *service) reloadOnEdit(ctx context.Context) {
	s.watcher.Run(ctx, func([]string) {
		outcome, err := s.reload(ctx)
		switch {
		case errors.Is(err, engine.ErrStopping):
			return
		case err != nil:
			_, _ = io.WriteString(s.program.stderr, complaint(err)) // a logging.Writer has no error, and does not wait
		default:
			_, _ = fmt.Fprintln(s.said, reportOf(outcome).Line())
		}
	})
}
