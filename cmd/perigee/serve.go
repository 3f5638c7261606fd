package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/control"
	"perigee/engine/logging"
	"perigee/engine/notify"
	"perigee/engine/watch"
	"perigee/scripts"
)

// partsGrace is how long what runs beside a server may go on after it: twice what the control socket gives the client of an
// answer to take it.
const partsGrace = 10 * time.Second

// service is a server in this process, with all that reaches it from outside but its clients: the control socket, the file
// with the number of its process, and the service manager.
type service struct {
	// Set by serve, never changed.
	program  *program
	settings config.Config
	file     string // the settings file, absolute
	log      *slog.Logger
	said     *logging.Writer // standard output; nobody waits for who reads it, or does not
	notifier *notify.Notifier
	stop     context.CancelFunc // begins the end
	with     beside

	// Set by started, before anybody can ask.
	server *engine.Server
	status engine.Status
	since  time.Time

	removePID func() error    // nil where there is no such file
	socket    *control.Server // nil where there is none
	watcher   *watch.Watcher  // nil where nobody edits
	parts     sync.WaitGroup  // what runs beside the server

	ended chan struct{} // closed when the server has ended and its place is free
	err   error         // how it ended; set before ended is closed
}

// beside is what a server that runs is given besides its settings.
type beside struct {
	hangups     chan os.Signal // each is a reload
	watch, open bool           // whether each save is one, and whether a browser shows the page
}

// serve runs a server until ctx ends or somebody stops it. read reads the settings again.
func (p *program) serve(ctx context.Context, settings config.Config, read func() (config.Config, error), with beside) error {
	keepPipes()
	level := new(slog.LevelVar)
	s := &service{
		program: p, settings: settings, file: settingsFile(settings), log: p.logger(settings, level), said: logging.New(p.stdout),
		with: with, ended: make(chan struct{}),
	}
	defer s.say()()
	s.notifier = notify.New(s.log)
	// What runs beside the server ends after it, not with ctx.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	defer s.unwatch()
	defer s.wait()
	defer end()
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	err := s.claim(ctx)
	if err == nil && with.watch {
		err = s.watch() // from before the scripts are read
	}
	if err == nil {
		err = engine.Run(ctx, engine.Options{
			Config:   settings,
			Log:      s.log,
			Level:    level,
			Reload:   read,
			Scripts:  scripts.Files,
			Stuck:    p.stuck,
			Overdue:  p.overdue,
			Started:  func(status engine.Status, server *engine.Server) { s.started(live, status, server) },
			Stopping: s.notifier.Stopping,
		})
	}
	s.close(err)
	return err
}

// keepPipes lets the server outlive the readers of its output: to write to a pipe that nobody reads is an error then, and no
// end by SIGPIPE, until the last line of the log is written. The programs that it starts do not inherit that, as they would a
// signal that is ignored.
func keepPipes() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // from which nobody receives
}

// claim takes what only one server can have, before anything else is done: the file with the number of its process, and
// the control socket, unless its place follows from a port that is not known yet.
func (s *service) claim(ctx context.Context) (err error) {
	if file := s.settings.Server.PIDFile; file != "" {
		if s.removePID, err = control.WritePID(file); err != nil {
			return err
		}
	}
	if s.settings.Server.Control == "" && s.settings.Server.Port == 0 {
		return nil
	}
	return s.listen(ctx, s.settings.Server.Port)
}

// started tells everybody who wants to know, and lets the programs of this machine in.
func (s *service) started(live context.Context, status engine.Status, server *engine.Server) {
	s.server, s.status, s.since = server, status, time.Now()
	if s.settings.Server.Control == "" && s.settings.Server.Port == 0 {
		if err := s.listen(live, status.Port); err != nil {
			s.log.Warn("perigee: without a control socket", "error", err) // a server with another address has the same port
		}
	}
	if s.socket != nil {
		s.parts.Go(func() { s.socket.Serve(live, s.operations()) })
	}
	s.parts.Go(func() { s.notifier.Watch(live, server.Responds) })
	s.parts.Go(func() { s.reloadOnHangup(live) })
	if s.watcher != nil {
		s.parts.Go(func() { s.reloadOnEdit(live) })
	}
	s.notifier.Ready(summary(status.Routes))
	_, _ = s.said.Write(align(announcement(s.settings, status))) // a logging.Writer has no error
	if s.with.open {
		s.parts.Go(func() { s.open(live) })
	}
}

// say has what is said written to standard output until end is called, which waits for a reader only for a while.
func (s *service) say() (end func()) {
	var writing sync.WaitGroup
	writing.Go(s.said.Run)
	return func() {
		if s.said.Close(nil, lastWords) {
			writing.Wait()
		}
	}
}

// wait returns when all that runs beside the server has ended, and ends the process where that does not.
func (s *service) wait() {
	late := time.AfterFunc(partsGrace, func() { s.program.overdue([]string{"what runs beside the server"}) })
	defer late.Stop()
	s.parts.Wait()
}

// listen makes the control socket. It must not fail where somebody has named its place; nobody needs it where not.
func (s *service) listen(ctx context.Context, port int) error {
	if s.settings.Server.Control == config.ControlOff {
		return nil
	}
	var err error
	s.socket, err = control.Listen(ctx, s.program.controlPath(s.settings, port), s.log)
	switch {
	case err == nil || s.settings.Server.Control != "":
		return err
	case errors.Is(err, control.ErrRunning):
		return fmt.Errorf("%w, or another port with --port", err)
	}
	s.log.Warn("perigee: without a control socket, no other command can reach this server", "error", err)
	return nil
}

// close frees the place of the server, and only then says that it has ended.
func (s *service) close(err error) {
	if s.socket != nil {
		if err := s.socket.Close(); err != nil {
			s.log.Warn("perigee: closing the control socket", "error", err)
		}
	}
	if s.removePID != nil {
		if err := s.removePID(); err != nil {
			s.log.Warn("perigee: removing the process file", "error", err)
		}
	}
	s.err = err
	close(s.ended)
}

// controlPath returns where the control socket of a server is that listens on a port.
func (p *program) controlPath(settings config.Config, port int) string {
	if named := settings.Server.Control; named != "" {
		return named
	}
	return control.Path(p.variable("XDG_RUNTIME_DIR"), os.TempDir(), port)
}
