package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"perigee/engine/config"
	"perigee/engine/console"
	"perigee/engine/failures"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/manager/inspect"
	"perigee/engine/metrics"
	"perigee/engine/process"
	"perigee/engine/queue"
	"perigee/engine/script/store"
	"perigee/engine/web"
	"perigee/engine/wire"
)

// newConsole returns the console, or nil if the settings disable it.
func (s *Server) newConsole(c config.Config) *console.Console {
	if !c.Console.Enabled {
		return nil
	}
	return console.New(console.Options{
		Server: s, Auth: web.Authenticator{CheckRequest: s.broker.CheckRequest, Matches: s.manager.CheckPassword},
		Log: s.log, Tail: s.options.Tail, Failures: s.failures,
	}, consoleSettings(c))
}

func consoleSettings(c config.Config) console.Settings {
	return console.Settings{Actions: c.Console.Actions, Redactor: wire.NewRedactor(c.Server.Redact)}
}

// configureConsole applies the settings that may change while the server runs. If the key has changed, all sessions end.
func (s *Server) configureConsole(c config.Config, keyChanged bool) {
	if s.console == nil {
		return
	}
	s.console.Configure(consoleSettings(c))
	if keyChanged {
		s.console.EndSessions()
	}
}

// consoleHandler returns the handler of the console below its path.
func (s *Server) consoleHandler() http.Handler {
	return http.StripPrefix(strings.TrimSuffix(s.config.Console.Path, "/"), s.console)
}

// listenConsole opens the address of the console, if it has one of its own. close stops to serve it.
func (s *Server) listenConsole(ctx context.Context) (serve, end func(), err error) {
	c := s.config.Console
	if s.console == nil || c.Address == "" {
		return func() {}, func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Address)
	if err != nil {
		return nil, nil, s.config.SettingError("console.address", err)
	}
	s.consoleAddress = listener.Addr()
	mux := http.NewServeMux()
	mux.Handle(c.Path, s.consoleHandler())
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: s.http.ReadHeaderTimeout, ReadTimeout: s.http.ReadTimeout, WriteTimeout: s.http.WriteTimeout,
		IdleTimeout: s.http.IdleTimeout, MaxHeaderBytes: s.http.MaxHeaderBytes, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	serve = func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("engine: serving the console failed", "error", err)
		}
	}
	return serve, func() { _ = server.Close() }, nil
}

// consoleURL returns the URL of the console of a server that clients reach at page, or "" if it has none.
func (s *Server) consoleURL(page string) string {
	switch {
	case s.console == nil:
		return ""
	case s.consoleAddress != nil:
		page = "http://" + s.consoleAddress.String() + "/"
	}
	return strings.TrimSuffix(page, "/") + s.config.Console.Path
}

// Console returns the console, or an error if the settings disable it.
func (s *Server) Console() (*console.Console, error) {
	if s.console == nil {
		return nil, errors.New("console.enabled is false: this server has no console")
	}
	return s.console, nil
}

var _ console.Server = (*Server)(nil)

// Started returns when the server began to accept clients.
func (s *Server) Started() time.Time { return time.Unix(0, s.startedAt.Load()) }

// Figures returns the present figures of all parts, and the counts of all generations of scripts.
func (s *Server) Figures() (metrics.Snapshot, []metrics.GenerationCounts) {
	return s.metrics.Snapshot(), s.metrics.Counts()
}

// Queue returns the administration of the queue and its name, or an error if there is no queue.
func (s *Server) Queue() (admin queue.Admin, name string, err error) { return s.jobs.Admin() }

// keepFailure keeps a failed reload for operators and returns it, with the lines of the file around its place.
func (s *Server) keepFailure(generation int, err error, traceback string) failures.Failure {
	place := regexp.MustCompile(`[^\s:]+\.lua:\d+`) // in the error of a script that could not be loaded
	f := failures.Failure{
		Last: time.Now(), Turn: "reload", Generation: generation, Error: err.Error(), Place: place.FindString(err.Error()), Traceback: traceback,
	}
	file, line := failures.SplitPlace(f.Place)
	if name, own := strings.CutPrefix(file, filepath.Base(s.config.Lua.Path)+"/"); own {
		if text, err := os.ReadFile(filepath.Join(s.config.Lua.Path, filepath.FromSlash(name))); err == nil {
			f.Source = failures.Around(text, line)
		}
	}
	s.failures.Add(fmt.Sprint("reload\x00", f.Place, "\x00", f.Error), f, nil)
	return f
}

// Inspector shows connections, users and topics.
func (s *Server) Inspector() *inspect.Inspector { return s.inspector }

// Timers returns the timers of the scripts.
func (s *Server) Timers(ctx context.Context) ([]manager.TimerStatus, error) {
	return s.manager.Timers(ctx)
}

// Routes returns what the scripts have registered.
func (s *Server) Routes(ctx context.Context) (manager.Routes, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Second, loop.ErrBusy)
	defer cancel()
	return s.manager.Routes(ctx)
}

// Command runs a command, within queue.handler_timeout, and returns its result as JSON, or the exception that says why there is none.
func (s *Server) Command(ctx context.Context, name string, arguments []byte) ([]byte, *wire.Exception) {
	limit := s.options.Config.Queue.HandlerTimeout // which no reload changes
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), limit.Std(),
		fmt.Errorf("the command took longer than queue.handler_timeout, %s", limit))
	defer cancel()
	return s.manager.Command(ctx, name, arguments)
}

// States returns the tables of server.state.
func (s *Server) States(ctx context.Context) ([]store.Size, error) {
	return loop.Ask(ctx, s.loop, "console", s.saver.Store.Sizes)
}

// State returns what is at a path in a table of server.state, as JSON of at most limit bytes.
func (s *Server) State(ctx context.Context, name string, path []string, limit int) (v store.View, found bool, err error) {
	shown, err := loop.Ask(ctx, s.loop, "console", func() *store.View {
		if v, found := s.saver.Store.Look(name, path, limit); found {
			return &v
		}
		return nil
	})
	if err != nil || shown == nil {
		return v, false, err
	}
	return *shown, true, nil
}

// Waits returns the handlers that wait, by the name of their turn.
func (s *Server) Waits(ctx context.Context) (map[string]loop.Waits, error) {
	return loop.Ask(ctx, s.loop, "console", s.loop.Waits)
}

// Processes returns the processes of the scripts.
func (s *Server) Processes() []process.Status { return s.process.List() }

// CompareScripts returns what a reload would change.
func (s *Server) CompareScripts(ctx context.Context) (console.Reload, error) {
	r, err := s.Compare(ctx)
	return r.Report(), err
}

// ReloadScripts reloads as an operator asks for it.
func (s *Server) ReloadScripts(ctx context.Context) (console.Reload, error) {
	run := s.options.ReloadWith
	if run == nil {
		run = func(ctx context.Context, reload func(ctx context.Context) (Reload, error)) (Reload, error) {
			return reload(ctx)
		}
	}
	r, err := run(ctx, s.Reload)
	return r.Report(), err
}

// Report returns the reload as operators and programs get it.
func (r Reload) Report() console.Reload {
	report := console.Reload{
		Generation: r.Generation, Took: r.Took.Seconds(), Pause: r.Pause.Seconds(), Changes: []console.Change{},
		Settings: settingsOf(r.Settings), NeedsRestart: settingsOf(r.NeedsRestart), Warnings: append([]string{}, r.Warnings...),
	}
	for _, c := range r.Changes {
		report.Changes = append(report.Changes, console.Change(c))
	}
	return report
}

func settingsOf(changes []config.Change) []console.Setting {
	reports := []console.Setting{}
	for _, c := range changes {
		report := console.Setting{Name: c.Name}
		if c.Before != nil {
			report.Before, report.After = jsonOf(c.Before), jsonOf(c.After)
		}
		reports = append(reports, report)
	}
	return reports
}

// jsonOf encodes the value of a setting, which looks in JSON as in the file.
func jsonOf(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		return nil // every type of a setting has JSON
	}
	return text
}
