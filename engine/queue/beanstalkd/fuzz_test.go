package beanstalkd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/queue"
)

// talk answers each read with the next answer, and closes the connection after the last.
func talk(c net.Conn, answers [][]byte) {
	defer func() { _ = c.Close() }()
	buffer := make([]byte, 4096)
	for _, answer := range answers {
		if _, err := c.Read(buffer); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// Whatever a server sends, each command gets an answer, and each connection ends; else the test would hang.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"RESERVED 1 2\r\nab\r\n",
		"WATCHING 1\r\nTIMED_OUT\r\nDELETED\r\nTOUCHED\r\nOK 10\r\n---\npri: 1\r\nRELEASED\r\nBURIED\r\n",
		"WATCHING 2\r\nWATCHING 1\r\nRESERVED 1 0\r\n\r\nNOT_FOUND\r\n",
		"RESERVED 1 2\r\n\x00\x00\x00\x00RESERVED 2 2\r\n\x00\x00\r\x00", "OK 3\r\nabcRESERVED 1 1\r\n",
		"RESERVED 1 -7\r\n", "OK 99999999999999999999\r\n", "RESERVED 1 16777217\r\n", "INSERTED 5\r\n", "BURIED 77777777777\r\n",
		"\r\n\r\n", "\n", "RESERVED\r\n", "RESERVED 1\r\n", "OK \r\n", "USING a\r\nUSING \r\n", "KICKED 3\r\nKICKED\r\n",
		"DEADLINE_SOON\r\nDRAINING\r\nBAD_FORMAT\r\n", "RESERVED 1 5 5\r\nabcde\r\n", strings.Repeat("A", 300), "\xff\xfe\x00",
		strings.Repeat("WATCHING 1\r\n", 50), "NOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\n",
	} {
		f.Add([]byte(seed), byte(0))
		f.Add([]byte(seed), byte(7))
	}
	f.Fuzz(func(t *testing.T, said []byte, split byte) {
		ours, theirs := net.Pipe()
		answers := [][]byte{said}
		if n := int(split); n > 0 && n < len(said) {
			answers = [][]byte{said[:n], said[n:]}
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { talk(theirs, answers) })
		s := newSource(newConnection(ours, "test"), "default")
		const commands = 7
		ends := make(chan error, commands)
		end := func(err error) { ends <- err }
		s.Reserve(0, func(r queue.Job, err error) {
			if err == nil && len(r.Body) > len(said) {
				t.Errorf("Reserve answered with a body of %d bytes, of %d that were sent", len(r.Body), len(said))
			}
			end(err)
		})
		s.Delete(1, end)
		s.Touch(1, end)
		s.Stats(1, func(_ queue.Stats, err error) { end(err) })
		s.Flush()
		s.Release(1, 2, time.Second, end)
		s.Bury(1, 2, "", end)
		s.Buried(func(_ int, err error) { end(err) })
		s.Flush()
		lost := false
		for range commands {
			err := <-ends
			answered := err == nil || errors.Is(err, queue.ErrEmpty) || errors.Is(err, queue.ErrNotFound) || errors.Is(err, queue.ErrRefused)
			if lost && answered {
				t.Errorf("a command after the connection was lost ended with %v, want an error that says so", err)
			}
			lost = lost || !answered
		}
		if lost && s.conn.broken() == nil {
			t.Error("the connection is used although it is out of step")
		}
		s.Close()
	})
}

// A worker reconnects to a server that sends nonsense.
func TestNonsense(t *testing.T) {
	connected := make(chan struct{}, 100)
	address := serve(t, func(c net.Conn) {
		connected <- struct{}{}
		talk(c, [][]byte{[]byte("OK 4\r\n---\n\r\n"), []byte("RESERVED 1 3\r\nabcd\r\n")})
	})
	w := queue.NewWorker(options(), New(address, slog.New(slog.DiscardHandler)), handler(
		func(_ context.Context, j queue.Job, _ func(error)) { t.Errorf("the job %+v was begun", j) },
	), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	for range 4 {
		<-connected
	}
	cancel()
	wg.Wait()
	if s := w.Status(); s.Connected || s.ConnectionsLost < 3 {
		t.Errorf("Status = %+v, want 3 connections lost", s)
	}
}

// CheckName accepts exactly the names that beanstalkd accepts, and the connection stays good.
func FuzzTubeName(f *testing.F) {
	for _, seed := range []string{
		"default", "", "-foo", "a-b", `back\slash`, "with space", "tab\t", "line\r\nkick 1", strings.Repeat("n", 199),
		strings.Repeat("n", 200), "ümlaut", "+/;.$_()", "\x00", "a\xff",
	} {
		f.Add(seed)
	}
	s := beanstalkd.Start(f, beanstalkd.Options{})
	c := NewClient(s.Address)
	f.Cleanup(func() { _ = c.Close() })
	f.Fuzz(func(t *testing.T, name string) {
		id, err := c.Put(t.Context(), queue.PutRequest{Queue: name, Body: []byte(name)})
		if refused := CheckName(name); (refused == nil) != (err == nil) {
			t.Fatalf("CheckName(%q) = %v, but Put = %v", name, refused, err)
		}
		if err != nil {
			return
		}
		j, stats, err := c.PeekJob(t.Context(), "default", id)
		if err != nil || stats.Queue != name || string(j.Body) != name {
			t.Errorf("the job in %q is %q in %q, %v", name, j.Body, stats.Queue, err)
		}
		if err := c.Delete(t.Context(), "default", id); err != nil {
			t.Errorf("Delete = %v, want nil", err)
		}
	})
}
