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
	"perigee/engine/script/api"
	"perigee/engine/watch"
)

// reload has the server read its scripts and settings again, by its Reload or its Attempt, and tells the service manager.
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
			_, _ = s.reload(ctx, s.server.Reload) // which logs it
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

// reloadOnEdit reloads when files have changed, and tells whoever edits them at once, one line each. Where the log is for
// programs, a failure is in the log, as any other.
func (s *service) reloadOnEdit(ctx context.Context) {
	by, people := s.server.Reload, s.program.people(s.settings)
	if people {
		by = s.server.Attempt
	}
	s.watcher.Run(ctx, func([]string) {
		outcome, err := s.reload(ctx, by)
		switch {
		case errors.Is(err, engine.ErrStopping):
			return
		case err != nil && people:
			_, _ = io.WriteString(s.program.stderr, complaint(err)+traceback(err)) // a logging.Writer has no error, and does not wait
		case err != nil:
		default:
			_, _ = fmt.Fprintln(s.said, reportOf(outcome).Line())
		}
	})
}

// traceback lists the calls that led to an error of the scripts, a line each, where there are more than the one in the error.
func traceback(err error) string {
	failure, ok := errors.AsType[*api.Error](err)
	if !ok {
		return ""
	}
	var calls []string
	for line := range strings.Lines(failure.Traceback()) {
		if !strings.HasPrefix(line, "[Go]") { // which nobody here has written
			calls = append(calls, "    "+strings.TrimRight(line, "\n")+"\n")
		}
	}
	if len(calls) < 2 {
		return ""
	}
	return strings.Join(calls, "")
}
