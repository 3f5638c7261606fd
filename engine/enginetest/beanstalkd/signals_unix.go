//go:build unix

package beanstalkd

import (
	"syscall"
	"testing"
)

// Stop stops the server with SIGSTOP: its connections stay open, and it answers nothing until Continue.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGSTOP)
}

// Continue continues the server after Stop.
func (s *Server) Continue(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGCONT)
}

// Drain makes the server accept no more jobs.
func (s *Server) Drain(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGUSR1)
}

func (s *Server) signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := s.Cmd.Process.Signal(signal); err != nil {
		tb.Fatal(err)
	}
}
