package process

import (
	"log/slog"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// After HandOver the new owner takes the events that were not taken, in order, and all later ones; the previous owner's Ready is not
// called.
func TestHandOver(t *testing.T) {
	s, err := New(Options{Programs: map[string]Program{
		"count": {Command: []string{"/bin/sh", "-c", "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo $i; done"}},
	}, Max: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	before, after := make(chan struct{}, 10_000), make(chan struct{}, 10_000)
	p, err := s.Start(Request{Name: "count", Output: true, Ready: func() { before <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	p.DropUnwanted()
	<-before
	lines := 0
	take := func() (finished bool) {
		for {
			e, ok := p.Take()
			switch {
			case !ok:
				return false
			case e.Kind == Finished:
				return true
			case e.Kind == Output:
				lines++
			}
		}
	}
	for range 3 {
		if e, ok := p.Take(); ok && e.Kind == Output {
			lines++
		}
	}
	p.HandOver(Request{Output: true, Ready: func() { after <- struct{}{} }})
	for deadline := time.After(testkit.Timeout); !take(); {
		select {
		case <-after:
		case <-deadline:
			t.Fatal("the process does not finish")
		}
	}
	if lines != 1000 {
		t.Errorf("%d lines were taken, want 1000", lines)
	}
}

// A simulated process seems to run until it is terminated.
func TestSimulated(t *testing.T) {
	p := NewSimulated(Request{Name: "say"})
	if !p.Running() || p.Write("x") != nil {
		t.Error("a simulated process does not run or takes no input, want both")
	}
	p.Terminate()
	if code, exited := p.ExitCode(); p.Running() || !exited || code != 0 || p.Write("x") == nil {
		t.Errorf("after Terminate: running %v, exit code %d %v, want it ended with 0", p.Running(), code, exited)
	}
}
