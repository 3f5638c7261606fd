// Package beanstalkd runs a real beanstalkd for tests, on a free port of 127.0.0.1. It can kill, restart, stop and drain it.
// Only tests import it.
package beanstalkd

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"perigee/engine/testkit"
)

// Options are the options of a server.
type Options struct {
	// Binlog makes it store its jobs on disk, and sync each change, so that they survive Kill.
	Binlog bool
	// Address is where it listens, one of testkit.ReservePort. Optional.
	Address string
	// Socket makes it listen on a Unix socket instead of a port.
	Socket bool
	// MaxJob is the maximum size of a job, in bytes; 0 is beanstalkd's default of 65,535.
	MaxJob int
}

// Server is a beanstalkd. It is killed when the test ends.
type Server struct {
	testkit.Process
	// Address is where it listens, host:port or the path of a socket. It stays the same after Restart.
	Address string

	arguments []string
	binlog    string // its directory; "" without a binlog
}

// Start starts a beanstalkd. If it is not installed, the test is skipped, or fails if CI=true.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	path := testkit.Program(tb, "beanstalkd")
	s := &Server{Address: o.Address}
	if o.Socket {
		s.Address = socket(tb)
		s.arguments = []string{path, "-l", "unix:" + s.Address}
	} else {
		if s.Address == "" {
			s.Address = testkit.ReservePort(tb)
		}
		host, number, err := net.SplitHostPort(s.Address)
		if err != nil {
			tb.Fatal(err)
		}
		s.arguments = []string{path, "-l", host, "-p", number}
	}
	if o.Binlog {
		s.binlog = tb.TempDir()
		s.arguments = append(s.arguments, "-f0", "-b", s.binlog)
	}
	if o.MaxJob > 0 {
		s.arguments = append(s.arguments, "-z", strconv.Itoa(o.MaxJob))
	}
	tb.Cleanup(s.Kill)
	s.Restart(tb)
	return s
}

// socket returns an unused path for a socket. It is short, since a socket's path has at most 107 bytes.
func socket(tb testing.TB) string {
	tb.Helper()
	directory, err := os.MkdirTemp("", "beanstalkd-") //nolint:usetesting // its path would contain the name of the test
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(directory) })
	return filepath.Join(directory, "b.sock")
}

// network returns the network of an address.
func network(address string) string {
	if filepath.IsAbs(address) {
		return "unix"
	}
	return "tcp"
}

// Restart starts the server again after Kill, and returns when it listens.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.RunProgram(tb, s.arguments)
	testkit.WaitFor(tb, "beanstalkd to listen at "+s.Address, func() bool {
		c, err := net.Dial(network(s.Address), s.Address) //nolint:noctx // a local connection takes no time
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// Tear makes the binlog of a killed server as if it had been killed while it stored the job with this body.
func (s *Server) Tear(tb testing.TB, body string) {
	tb.Helper()
	stored := []byte(body + "\r\n")
	files, err := filepath.Glob(filepath.Join(s.binlog, "binlog.*"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil && bytes.Contains(content, stored) {
			if err = os.Chmod(file, 0o600); err == nil {
				err = os.WriteFile(file, bytes.ReplaceAll(content, stored, make([]byte, len(stored))), 0o600)
			}
			if err == nil {
				return
			}
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	tb.Fatalf("no file of %s contains %q", s.binlog, body)
}
