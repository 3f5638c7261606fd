package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/service"
	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/script/api"
)

// serve runs a server until ctx ends or somebody stops it. o says what the command line asks for.
func (p *program) serve(ctx context.Context, o service.Options) error {
	keepPipes()
	said := logging.New(p.stdout)
	defer say(said)()
	o.File = settingsFile(o.Settings)
	o.Level = new(slog.LevelVar)
	o.Log = p.logger(o.Settings, o.Level)
	o.Said = said
	o.Announce = func(status engine.Status) []byte { return align(announcement(o.Settings, status)) }
	if p.people(o.Settings) {
		o.Complain = func(err error) { _, _ = io.WriteString(p.stderr, complaint(err)+traceback(err)) } // a logging.Writer has no error
	}
	o.Control = func(port int) string { return p.controlPath(o.Settings, port) }
	o.Version = version()
	o.Browser = p.variable("BROWSER")
	o.Stuck, o.Overdue = p.stuck, p.overdue
	return service.Run(ctx, o)
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

// keepPipes lets the server outlive the readers of its output: to write to a pipe that nobody reads is an error then, and no
// end by SIGPIPE, until the last line of the log is written. The programs that it starts do not inherit that, as they would a
// signal that is ignored.
func keepPipes() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // from which nobody receives
}

// hangups are SIGHUPs, which ask for a reload. Those that come during one are one more.
func hangups() (signals chan os.Signal, end func()) {
	signals = make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}

// say has what is said written until end is called, which waits for a reader only for a while.
func say(said *logging.Writer) (end func()) {
	var writing sync.WaitGroup
	writing.Go(said.Run)
	return func() {
		if said.Close(nil, lastWords) {
			writing.Wait()
		}
	}
}

// controlPath returns where the control socket of a server is that listens on a port.
func (p *program) controlPath(settings config.Config, port int) string {
	if named := settings.Server.Control; named != "" {
		return named
	}
	return control.Path(p.variable("XDG_RUNTIME_DIR"), os.TempDir(), port)
}
