// Package beanstalkd runs a real beanstalkd for tests, on a free port of 127.0.0.1, and does to it what happens to a
// beanstalkd: it is killed, started again, stopped, told to drain, and its connections are cut. Only tests import it.
package beanstalkd

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// patience is how long anything may take before a test gives up: a guard against hanging, not a measurement.
const patience = 2 * time.Minute

// Options say how it runs.
type Options struct {
	// Binlog has it keep its jobs on disk, and sync each change, so that they live on when it is killed.
	Binlog bool
	// Socket has it listen on a Unix socket in place of a port.
	Socket bool
	// MaxJob is how large a job may be, in bytes; 0 is beanstalkd's own limit of 65,535.
	MaxJob int
}

// Server is a beanstalkd. It ends with the test.
type Server struct {
	// Address is where it listens, also after a Restart: host:port, or the path of a socket.
	Address string

	arguments []string
	cmd       *exec.Cmd
}

// Start starts one. Where beanstalkd is not installed the test is skipped, or fails where CI=true.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	path, err := exec.LookPath("beanstalkd")
	if err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("beanstalkd: %v", err)
		}
		tb.Skipf("beanstalkd is not installed: %v", err)
	}
	s := &Server{}
	if o.Socket {
		s.Address = socket(tb)
		s.arguments = []string{path, "-l", "unix:" + s.Address}
	} else {
		s.Address = testkit.ReservePort(tb)
		host, number, err := net.SplitHostPort(s.Address)
		if err != nil {
			tb.Fatal(err)
		}
		s.arguments = []string{path, "-l", host, "-p", number}
	}
	if o.Binlog {
		s.arguments = append(s.arguments, "-f0", "-b", tb.TempDir())
	}
	if o.MaxJob > 0 {
		s.arguments = append(s.arguments, "-z", strconv.Itoa(o.MaxJob))
	}
	tb.Cleanup(s.Kill)
	s.Restart(tb)
	return s
}

// socket returns a path at which there is nothing: a short one, since that of a socket has 107 bytes at most.
func socket(tb testing.TB) string {
	tb.Helper()
	folder, err := os.MkdirTemp("", "beanstalkd-") //nolint:usetesting // whose path has the test's name in it
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "b.sock")
}

// network is what an address is of.
func network(address string) string {
	if filepath.IsAbs(address) {
		return "unix"
	}
	return "tcp"
}

// Absent returns an address of 127.0.0.1 at which nobody listens while the test runs, unless At does.
func Absent(tb testing.TB) string {
	tb.Helper()
	return testkit.ReservePort(tb)
}

// At starts one at an address that Absent returned.
func At(tb testing.TB, address string) *Server {
	tb.Helper()
	s := Start(tb, Options{})
	s.Kill()
	_, number, err := net.SplitHostPort(address)
	if err != nil {
		tb.Fatal(err)
	}
	s.Address, s.arguments[4] = address, number
	s.Restart(tb)
	return s
}

// Restart starts it again after Kill, and returns when it listens.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.cmd = exec.Command(s.arguments[0], s.arguments[1:]...) //nolint:noctx // it lives until Kill
	s.cmd.Stderr = tb.Output()
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	give := time.After(patience)
	for {
		c, err := net.Dial(network(s.Address), s.Address) //nolint:noctx // on this machine it takes no time
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-give:
			tb.Fatalf("beanstalkd does not listen at %s: %v", s.Address, err)
		case <-time.After(time.Millisecond):
		}
	}
}

// Kill ends it with SIGKILL, if it runs.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Stop stops it with SIGSTOP: its connections stay, and nothing is answered.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGSTOP)
}

// Continue ends Stop.
func (s *Server) Continue(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGCONT)
}

// Drain has it take no jobs any more.
func (s *Server) Drain(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGUSR1)
}

func (s *Server) signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		tb.Fatal(err)
	}
}
