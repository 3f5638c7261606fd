// Package redis runs a real redis-server for tests, on a free port of 127.0.0.1. It can kill, restart, stop and continue it. Only
// tests import it.
package redis

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomodule/redigo/redis"

	"perigee/engine/testkit"
)

// Options are the options of a server.
type Options struct {
	// Persist makes it store every change on disk before it answers, so that its jobs survive Kill.
	Persist bool
	// Settings are further settings, as arguments of redis-server: "--requirepass", "secret".
	Settings []string
	// Sentinel makes it a sentinel, which monitors nothing yet.
	Sentinel bool
	// Password with which the test connects itself. Optional.
	Password string
}

// Server is a redis-server. It is killed when the test ends.
type Server struct {
	testkit.Process
	// Address is where it listens, host:port. It stays the same after Restart.
	Address string
	// Socket is the path of its Unix socket.
	Socket string

	arguments []string
	password  string
}

// Start starts a redis-server. If it is not installed, the test is skipped, or fails if CI=true.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	path := testkit.Program(tb, "redis-server")
	directory, err := os.MkdirTemp("", "redis-") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(directory) })
	s := &Server{Address: testkit.ReservePort(tb), Socket: filepath.Join(directory, "redis.sock"), password: o.Password}
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		tb.Fatal(err)
	}
	s.arguments = append([]string{
		path, "--bind", "127.0.0.1", "--port", port, "--unixsocket", s.Socket, "--dir", directory, "--save", "", "--loglevel", "warning",
	}, o.Settings...)
	if o.Sentinel {
		file := filepath.Join(directory, "sentinel.conf") // it stores there what it monitors
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			tb.Fatal(err)
		}
		s.arguments = []string{path, file, "--sentinel", "--bind", "127.0.0.1", "--port", port, "--dir", directory}
	}
	if o.Persist {
		s.arguments = append(s.arguments, "--appendonly", "yes", "--appendfsync", "always")
	}
	tb.Cleanup(s.Kill)
	s.Restart(tb)
	return s
}

// Restart starts the server again after Kill, and returns when it has read its jobs.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.RunProgram(tb, s.arguments)
	testkit.WaitFor(tb, "redis-server to answer at "+s.Address, func() bool {
		_, err := s.Do("PING")
		return err == nil
	})
}

// Dial connects with the library.
func (s *Server) Dial() (redis.Conn, error) {
	return redis.Dial("tcp", s.Address, redis.DialPassword(s.password))
}

// Do sends one command, on a connection of its own.
func (s *Server) Do(command string, arguments ...any) (any, error) {
	c, err := s.Dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.Do(command, arguments...)
}
