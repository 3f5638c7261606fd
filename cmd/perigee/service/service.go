// Package service owns a server in this process and its background services: control socket, PID file, service manager, SIGHUP,
// file watcher and the browser that shows its page. It waits for all of them, except a browser that stays open. It must not
// know the command line; its caller ends the process if the server hangs.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"perigee/cmd/perigee/control"
	"perigee/cmd/perigee/notify"
	"perigee/cmd/perigee/report"
	"perigee/cmd/perigee/watch"
	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/failures"
	"perigee/engine/logging"
	"perigee/engine/trace"
	"perigee/scripts"
)

// backgroundTimeout is how long background services may run after the server has ended: twice as long as the control socket
// waits for a client to read its response.
const backgroundTimeout = 10 * time.Second

// Options are the options of Run.
type Options struct {
	Settings config.Config
	File     string // absolute path of the settings file, which need not exist
	// ReadSettings reads the settings again, for a reload.
	ReadSettings func() (config.Config, error)
	Log          *slog.Logger
	Level        *slog.LevelVar // of Log
	Tail         *logging.Tail  // of Log. Optional.
	// Stdout never blocks.
	Stdout *logging.Writer
	// Announcement returns the text that is printed when the server has started.
	Announcement func(status engine.Status) []byte
	// PrintError shows an error in the scripts to their author, without blocking. Optional: if it is nil, such errors are logged.
	PrintError func(err error)
	// PrintFailure shows the lines of a script around the place of a failure that is logged, without blocking. Optional.
	PrintFailure func(f failures.Failure)
	// ControlPath returns the path of the control socket of a server that listens on a port.
	ControlPath func(port int) string
	Build       report.Build
	Browser     string           // command that shows a page, or several separated by colons, of which the first is used. Optional.
	Padding     []byte           // of the heap, as in engine.Options
	Hangups     <-chan os.Signal // each triggers a reload; the runtime sends
	Watch       bool             // reload whenever a script or the settings file is saved
	Open        bool             // open the page in a browser
	// PrintEvent shows a message that comes or goes, and what came of it, without blocking. Optional: if it is nil, none is traced.
	PrintEvent func(e trace.Event)
	// OnHang and OnStopTimeout end the process, as in engine.Options. They must not be nil.
	OnHang        func(held time.Duration)
	OnStopTimeout func(held []string)
}

// service is a running server with its background services.
type service struct {
	// Set by Run, never changed.
	options  Options
	log      *slog.Logger
	notifier *notify.Notifier
	stop     context.CancelFunc // begins the stop

	// Set by started, before the control socket is served.
	server    *engine.Server
	status    engine.Status
	startedAt time.Time

	removePID  func() error    // nil without a PID file
	socket     *control.Server // nil without a control socket
	watcher    *watch.Watcher  // nil without Options.Watch
	background sync.WaitGroup  // the background services

	ended chan struct{} // closed by close, when the server has ended and its socket and PID file are gone
	err   error         // of the server; set before ended is closed
}

// Run runs a server until ctx ends or the server is stopped.
func Run(ctx context.Context, o Options) error {
	listener, err := notify.Listener()
	if err != nil {
		return err
	}
	if listener != nil {
		o = o.at(listener.Addr())
		o.Log.Info("service: serving at the socket of the service manager instead of server.address and server.port", "address", listener.Addr().String())
	}
	s := &service{options: o, log: o.Log, notifier: notify.New(o.Log), ended: make(chan struct{})}
	// Background services end after the server, not with ctx.
	background, end := context.WithCancel(context.WithoutCancel(ctx))
	defer s.closeWatcher()
	defer s.wait()
	defer end()
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	err = s.claim(ctx)
	if err == nil && o.Watch {
		err = s.watch() // before the scripts are read
	}
	if err == nil {
		err = engine.Run(ctx, engine.Options{
			Lint:          o.Watch,
			Config:        o.Settings,
			Version:       o.Build.Version,
			Revision:      o.Build.Revision,
			Log:           o.Log,
			Level:         o.Level,
			Tail:          o.Tail,
			Listener:      listener,
			Padding:       o.Padding,
			Reload:        o.ReadSettings,
			ReloadWith:    s.reload,
			Scripts:       scripts.Files,
			Supervisor:    notify.Supervisor(os.Getenv, os.Getpid()),
			OnFailure:     o.onFailure(),
			OnHang:        o.OnHang,
			OnStopTimeout: o.OnStopTimeout,
			OnStarted:     func(status engine.Status, server *engine.Server) { s.started(background, status, server) },
			OnStopping:    func(allowed time.Duration) { s.notifier.Stopping(allowed + backgroundTimeout) },
		})
	}
	s.close(err)
	return err
}

// at returns the options with the address of a socket in the settings, also in those that a reload reads.
func (o Options) at(address net.Addr) Options {
	tcp := address.(*net.TCPAddr) //nolint:forcetypeassert // notify.Listener promises it
	set := func(c config.Config) config.Config {
		c.Server.Address, c.Server.Port = tcp.AddrPort().Addr().String(), tcp.Port
		return c
	}
	read := o.ReadSettings
	o.Settings = set(o.Settings)
	o.ReadSettings = func() (config.Config, error) {
		c, err := read()
		return set(c), err
	}
	return o
}

// onFailure returns what is called when a handler has failed: under Watch, its author sits at the terminal.
func (o Options) onFailure() func(f failures.Failure) {
	if !o.Watch {
		return nil
	}
	return o.PrintFailure
}

// claim takes the PID file and the control socket, which only one server can have, before anything else is done. The socket is
// taken later if its path depends on a port that is not known yet.
func (s *service) claim(ctx context.Context) (err error) {
	if file := s.options.Settings.Server.PIDFile; file != "" {
		if s.removePID, err = control.WritePID(file); err != nil {
			return s.options.Settings.SettingError("server.pid_file", err)
		}
	}
	if s.options.Settings.Server.Control == "" && s.options.Settings.Server.Port == 0 {
		return nil
	}
	return s.listen(ctx, s.options.Settings.Server.Port)
}

// started starts the background services and announces the server.
func (s *service) started(ctx context.Context, status engine.Status, server *engine.Server) {
	s.server, s.status, s.startedAt = server, status, time.Now()
	if s.options.Settings.Server.Control == "" && s.options.Settings.Server.Port == 0 {
		if err := s.listen(ctx, status.Port); err != nil { // a server at another address uses the same port
			s.log.Warn("service: no control socket: commands such as status, reload and stop cannot reach this server", "error", err)
		}
	}
	if s.socket != nil {
		operations := control.Handler(ctx, s.operations(), s.streams(), s.log)
		s.background.Go(func() { s.socket.Serve(operations) })
	}
	s.background.Go(func() { s.notifier.Watch(ctx, server.Responds) })
	s.background.Go(func() { s.reloadOnHangup(ctx) })
	if s.options.PrintEvent != nil {
		s.printTrace(ctx)
	}
	if s.watcher != nil {
		s.background.Go(func() { s.reloadOnEdit(ctx) })
	}
	s.notifier.Ready(summary(status.Routes))
	_, _ = s.options.Stdout.Write(s.options.Announcement(status)) // a logging.Writer returns no error
	if s.options.Open {
		s.background.Go(func() { s.openPage(ctx) })
	}
}

// wait waits for the background services, and calls OnStopTimeout if that takes too long.
func (s *service) wait() {
	timeout := time.AfterFunc(backgroundTimeout, func() { s.options.OnStopTimeout([]string{"background services"}) })
	defer timeout.Stop()
	s.background.Wait()
}

// listen creates the control socket. If that fails, the error is returned only if the settings name a path or if another server
// runs on this port; otherwise it is logged.
func (s *service) listen(ctx context.Context, port int) error {
	if s.options.Settings.Server.Control == config.ControlOff {
		return nil
	}
	var err error
	s.socket, err = control.Listen(ctx, s.options.ControlPath(port), s.log)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, control.ErrRunning) && s.options.Settings.Server.Control == "":
		return fmt.Errorf("%w port with --port", err)
	case errors.Is(err, control.ErrRunning):
		return s.options.Settings.SettingError("server.control", fmt.Errorf("%w path with server.control", err))
	case s.options.Settings.Server.Control != "":
		return s.options.Settings.SettingError("server.control", err)
	}
	s.log.Warn("service: no control socket: commands such as status, reload and stop cannot reach this server", "error", err)
	return nil
}

// close removes the control socket and the PID file, and then reports that the server has ended.
func (s *service) close(err error) {
	if s.socket != nil {
		if err := s.socket.Close(); err != nil {
			s.log.Warn("service: closing the control socket failed", "error", err)
		}
	}
	if s.removePID != nil {
		if err := s.removePID(); err != nil {
			s.log.Warn("service: removing the PID file failed", "error", err)
		}
	}
	s.err = err
	close(s.ended)
}
