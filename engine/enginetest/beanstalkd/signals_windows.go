package beanstalkd

import "testing"

const noSignals = "Windows has no signals"

// Stop skips the test.
func (s *Server) Stop(tb testing.TB) { tb.Helper(); tb.Skip(noSignals) }

// Continue skips the test.
func (s *Server) Continue(tb testing.TB) { tb.Helper(); tb.Skip(noSignals) }

// Drain skips the test.
func (s *Server) Drain(tb testing.TB) { tb.Helper(); tb.Skip(noSignals) }
