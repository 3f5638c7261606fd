// Package enginetest runs the real server for tests: on a free port of 127.0.0.1, with clients that speak the real
// protocol. Only tests import it.
package enginetest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"perigee/engine"
	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/testkit"
	"perigee/scripts"
)

// shownLog is how many bytes of a log a failure shows, so that it stays in sight itself.
const shownLog = 16 << 10

// slowMachine is the value of limits on real time that are not a test's subject: machines stand still for seconds, and a test
// says nothing about them.
const slowMachine = time.Minute

// padding returns the unused heap that all servers of a process share. A server that has ended is still reachable until its test has
// ended, and lua.memory is about the heap of the process.
var padding = sync.OnceValue(func() []byte { return make([]byte, 16<<20) }) //nolint:gochecknoglobals // made once

// Server is a running server. It ends with the test.
type Server struct {
	// URL is where the page is, with the closing slash; Socket is the same for WebSockets.
	URL, Socket string
	// Status is the status of the server after its start.
	Status engine.Status
	// Config are its settings.
	Config config.Config
	// Control is the running server, for reloads.
	Control *engine.Server

	mu       sync.Mutex
	settings config.Config // what a reload reads; guarded by mu

	log     testkit.LogBuffer
	stop    context.CancelFunc
	stopped chan struct{} // closed by the goroutine of Run after it set err
	err     error
}

// Start runs a server with the default settings, as change alters them; a nil change alters nothing. The port is free.
// Limits are as in production, except those that a machine which stands still for some seconds would exceed.
func Start(tb testing.TB, change func(c *config.Config)) *Server {
	tb.Helper()
	c := config.Default()
	c.Server.Port = 0
	c.Lua.Path = ""
	c.Queue.Driver = config.DriverMemory // no test takes jobs that are not its own
	for _, limit := range []*config.Duration{
		&c.Limits.HandshakeTimeout, &c.Limits.MessageDeadline, &c.Limits.WriteTimeout, &c.Limits.PongWait, &c.HTTP.Timeout,
		&c.Stop.Timeout,
	} {
		*limit = config.Duration(slowMachine)
	}
	if change != nil {
		change(&c)
	}
	s := &Server{Config: c, stopped: make(chan struct{}), settings: c}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	s.stop = cancel
	started := make(chan struct{})
	go func() {
		defer close(s.stopped)
		tail := logging.NewTail(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s.err = engine.Run(ctx, engine.Options{
			Config:  c,
			Log:     slog.New(tail),
			Tail:    tail,
			Scripts: scripts.Files,
			Padding: padding(),
			Lint:    true,
			Reload:  s.read,
			OnStarted: func(status engine.Status, control *engine.Server) {
				s.Status, s.Control = status, control
				close(started)
			},
		})
	}()
	tb.Cleanup(func() {
		cancel()
		<-s.stopped
		if tb.Failed() {
			log := s.Log()
			tb.Logf("the end of the server's log:\n%s", log[max(0, len(log)-shownLog):])
		}
	})
	select {
	case <-started:
	case <-s.stopped:
		tb.Fatalf("engine.Run = %v, want a running server", s.err)
	case <-time.After(testkit.Timeout):
		tb.Fatal("the server did not start")
	}
	s.URL, s.Socket = s.Status.Page, s.Status.Socket
	return s
}

// Set changes the settings that the next reload reads.
func (s *Server) Set(change func(c *config.Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.settings)
}

func (s *Server) read() (config.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings, nil
}

// Stop ends the server as SIGTERM would and returns what Run returned.
func (s *Server) Stop() error {
	s.stop()
	return s.Wait()
}

// Wait returns what Run returns once the server has ended.
func (s *Server) Wait() error {
	select {
	case <-s.stopped:
		return s.err
	case <-time.After(testkit.Timeout):
		return context.DeadlineExceeded
	}
}

// Log returns what the server has logged so far.
func (s *Server) Log() string { return s.log.String() }
