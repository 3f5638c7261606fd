// Package service is a server in this process, with all that reaches it from outside but its clients: the control socket,
// the file with the number of its process, the service manager, SIGHUPs, files that are saved, and the browser that shows its
// page. It owns what runs beside the server, and waits for it, but for a browser that goes on. It knows no command line, and
// asks its caller to end the process where nothing else helps.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/notify"
	"perigee/cmd/perigee/watch"
	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/scripts"
)

// partsGrace is how long what runs beside a server may go on after it: twice what the control socket gives the client of an
// answer to take it.
const partsGrace = 10 * time.Second

// Options say what is served, and how.
type Options struct {
	Settings config.Config
	File     string // where the settings are, or would be; absolute
	// Read reads the settings again.
	Read  func() (config.Config, error)
	Log   *slog.Logger
	Level *slog.LevelVar // of Log
	// Said is standard output: nobody waits for who reads it, or does not.
	Said *logging.Writer
	// Announce is what is said there of a server that has started.
	Announce func(status engine.Status) []byte
	// Complain tells whoever edits the scripts what is wrong with them, and does not wait; nil leaves that to the log.
	Complain func(err error)
	// Control is where the control socket of a server is that listens on a port.
	Control func(port int) string
	Version string
	Browser string           // the command that shows a page, the first of "a:b"; "" is that of the system
	Hangups <-chan os.Signal // each is a reload; the runtime sends
	// Watch tells whether each save is a reload, Open whether a browser shows the page.
	Watch, Open bool
	// Stuck and Overdue end the process, as those of engine.Options. Neither may be nil.
	Stuck   func(held time.Duration)
	Overdue func(held []string)
}

// service is the server that runs.
type service struct {
	// Set by Run, never changed.
	options  Options
	log      *slog.Logger
	notifier *notify.Notifier
	stop     context.CancelFunc // begins the end

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

// Run runs a server until ctx ends or somebody stops it.
func Run(ctx context.Context, o Options) error {
	s := &service{options: o, log: o.Log, notifier: notify.New(o.Log), ended: make(chan struct{})}
	// What runs beside the server ends after it, not with ctx.
	live, end := context.WithCancel(context.WithoutCancel(ctx))
	defer s.unwatch()
	defer s.wait()
	defer end()
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	err := s.claim(ctx)
	if err == nil && o.Watch {
		err = s.watch() // from before the scripts are read
	}
	if err == nil {
		err = engine.Run(ctx, engine.Options{
			Config:   o.Settings,
			Log:      o.Log,
			Level:    o.Level,
			Reload:   o.Read,
			Scripts:  scripts.Files,
			Stuck:    o.Stuck,
			Overdue:  o.Overdue,
			Started:  func(status engine.Status, server *engine.Server) { s.started(live, status, server) },
			Stopping: s.notifier.Stopping,
		})
	}
	s.close(err)
	return err
}

// claim takes what only one server can have, before anything else is done: the file with the number of its process, and
// the control socket, unless its place follows from a port that is not known yet.
func (s *service) claim(ctx context.Context) (err error) {
	if file := s.options.Settings.Server.PIDFile; file != "" {
		if s.removePID, err = control.WritePID(file); err != nil {
			return s.options.Settings.Fault("server.pid_file", err)
		}
	}
	if s.options.Settings.Server.Control == "" && s.options.Settings.Server.Port == 0 {
		return nil
	}
	return s.listen(ctx, s.options.Settings.Server.Port)
}

// started tells everybody who wants to know, and lets the programs of this machine in.
func (s *service) started(live context.Context, status engine.Status, server *engine.Server) {
	s.server, s.status, s.since = server, status, time.Now()
	if s.options.Settings.Server.Control == "" && s.options.Settings.Server.Port == 0 {
		if err := s.listen(live, status.Port); err != nil {
			s.log.Warn("service: without a control socket", "error", err) // a server with another address has the same port
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
	_, _ = s.options.Said.Write(s.options.Announce(status)) // a logging.Writer has no error
	if s.options.Open {
		s.parts.Go(func() { s.open(live) })
	}
}

// wait returns when all that runs beside the server has ended; where that takes too long it has the process ended.
func (s *service) wait() {
	late := time.AfterFunc(partsGrace, func() { s.options.Overdue([]string{"what runs beside the server"}) })
	defer late.Stop()
	s.parts.Wait()
}

// listen makes the control socket. It must not fail where somebody has named its place; nobody needs it where not.
func (s *service) listen(ctx context.Context, port int) error {
	if s.options.Settings.Server.Control == config.ControlOff {
		return nil
	}
	var err error
	s.socket, err = control.Listen(ctx, s.options.Control(port), s.log)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, control.ErrRunning) && s.options.Settings.Server.Control == "":
		return fmt.Errorf("%w port with --port", err)
	case errors.Is(err, control.ErrRunning):
		return s.options.Settings.Fault("server.control", fmt.Errorf("%w place with server.control", err))
	case s.options.Settings.Server.Control != "":
		return s.options.Settings.Fault("server.control", err)
	}
	s.log.Warn("service: without a control socket, no other command can reach this server", "error", err)
	return nil
}

// close frees the place of the server, and only then says that it has ended.
func (s *service) close(err error) {
	if s.socket != nil {
		if err := s.socket.Close(); err != nil {
			s.log.Warn("service: closing the control socket", "error", err)
		}
	}
	if s.removePID != nil {
		if err := s.removePID(); err != nil {
			s.log.Warn("service: removing the process file", "error", err)
		}
	}
	s.err = err
	close(s.ended)
}
