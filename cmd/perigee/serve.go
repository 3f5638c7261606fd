package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"ahead" // initialised before all other packages

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/service"
	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/failures"
	"perigee/engine/logging"
	"perigee/engine/script/api"
	"perigee/engine/trace"
)

// serve runs a server until ctx ends or the server is stopped. It adds to the options that the command line has set. traced prints
// the messages.
func (p *program) serve(ctx context.Context, o service.Options, traced bool) error {
	ignoreBrokenPipes()
	stdout := logging.New(p.stdout)
	end := startWriter(stdout)
	defer end(nil)
	o.File = settingsFile(o.Settings)
	o.Level = new(slog.LevelVar)
	o.Log = p.logger(o.Settings, o.Level)
	if o.Settings.Console.Enabled {
		o.Tail = logging.NewTail(o.Log.Handler())
		o.Log = slog.New(o.Tail)
	}
	o.Stdout = stdout
	o.Announcement = func(status engine.Status) []byte { return align(announcement(o.Settings, status)) }
	if p.textLog(o.Settings) {
		show := func(text string) { _, _ = p.stderr.Write(p.asError(text)) } // a logging.Writer returns no error
		o.PrintError = func(err error) { show(errorLines(err) + traceback(err) + excerpt(err)) }
		o.PrintFailure = func(f failures.Failure) { show(report.Excerpt(f)) }
	}
	if traced {
		colored := isTerminal(p.stdout)
		o.PrintEvent = func(e trace.Event) { _, _ = stdout.Write([]byte(report.TraceLine(e, colored))) } // a logging.Writer returns no error
	}
	o.ControlPath = func(port int) string { return p.controlPath(o.Settings, port) }
	o.Build, o.Padding = build(), ahead.Padding
	o.Browser = p.variable("BROWSER")
	o.OnHang, o.OnStopTimeout = p.exitOnHang, p.exitOnStopTimeout
	return service.Run(ctx, o)
}

// traceback lists the calls that led to an error in the scripts, one a line, or returns "" if there is only the one that the
// error names.
func traceback(err error) string {
	failure, ok := errors.AsType[*api.Error](err)
	if !ok {
		return ""
	}
	var calls []string
	for line := range strings.Lines(failure.Traceback()) {
		if !strings.HasPrefix(line, "[Go]") { // not a line of a script
			calls = append(calls, "    "+strings.TrimRight(line, "\n")+"\n")
		}
	}
	if len(calls) < 2 {
		return ""
	}
	return strings.Join(calls, "")
}

// excerpt shows the lines around the place at which a reload failed, if it was in a script.
func excerpt(err error) string {
	failed, ok := errors.AsType[*engine.FailedReload](err)
	if !ok {
		return ""
	}
	return report.Excerpt(failed.Failure)
}

// ignoreBrokenPipes keeps SIGPIPE from ending the server when the reader of its output has gone: writes then return an error.
// Child processes do not inherit this, as they would inherit an ignored signal.
func ignoreBrokenPipes() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // never received
}

// startWriter runs a writer until end is called, which writes the last text and waits at most flushTimeout for the reader.
func startWriter(w *logging.Writer) (end func(last []byte)) {
	var writing sync.WaitGroup
	writing.Go(w.Run)
	return func(last []byte) {
		if w.Close(last, flushTimeout) {
			writing.Wait()
		}
	}
}

// controlPath returns the path of the control socket of a server that listens on a port.
func (p *program) controlPath(settings config.Config, port int) string {
	if named := settings.Server.Control; named != "" {
		return named
	}
	return control.Path(p.variable("XDG_RUNTIME_DIR"), os.TempDir(), port)
}
