package broker

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/testkit"
	"perigee/engine/wire"
)

// Shutdown writes queued frames, closes all connections, refuses new ones, and aborts those whose clients do not answer.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		polite, silent, stuck := s.dial(t), s.dial(t), s.dial(t)
		late := s.connect(t)
		for range 3 {
			testkit.Receive(t, o.opens, "Open").Send(text("last words"))
		}
		aborted := make(chan int, 1)
		began := time.Now()
		go func() { aborted <- s.Shutdown(t.Context(), 3*time.Second, wire.CloseRestart()) }()
		synctest.Wait()
		if response := late.request(); response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
			t.Errorf("during Shutdown: got %s, want 503 with Retry-After", response.Status)
		}
		time.Sleep(time.Second)
		polite.want(textFrame, "last words")
		silent.want(textFrame, "last words")
		polite.wantClose(wire.CloseRestart())
		polite.closes(1012, "")
		polite.wantEnd()
		if got := <-aborted; got != 2 {
			t.Errorf("Shutdown = %d, want 2", got)
		}
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("Shutdown took %v, want 3 s for the queue of the client that does not read and 1 s for the answers", took)
		}
		silent.wantEnd()
		stuck.wantEnd()
		for range 3 {
			if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseRestart() {
				t.Errorf("Closed(%v), want %v", got, wire.CloseRestart())
			}
		}
		if got := s.Count(); got != 0 {
			t.Errorf("Count() = %d, want 0", got)
		}
	})
}

// If all clients answer, Shutdown takes no longer than they do, however many there are.
func TestShutdownOfMany(t *testing.T) {
	o := newObserver()
	s := serve(t, func(o *Options) { o.Limits.Shards = 2 }, o)
	const clients = 400 // more than are closed at once
	for range clients {
		c := s.dial(t)
		go func() {
			for {
				f, err := c.read()
				if err != nil {
					return
				}
				if f.first == closeFrame {
					c.closes(1001, "")
				}
			}
		}()
	}
	if got := s.Shutdown(t.Context(), 10*time.Second, wire.CloseShutdown()); got != 0 {
		t.Errorf("Shutdown = %d, want 0", got)
	}
	for range clients {
		if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseShutdown() {
			t.Errorf("Closed(%v), want %v", got, wire.CloseShutdown())
		}
	}
}

// CloseGradually closes one connection after the other, those with the fewest messages first, while the others are served. It does
// not wait for connections that have ended by themselves.
func TestCloseGradually(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		busy, silent, leaving, gone := s.dial(t), s.dial(t), s.dial(t), s.dial(t)
		for i, c := range []*client{busy, busy, busy, leaving, leaving, gone, gone, gone, gone} {
			c.send(textFrame, "message")
			testkit.Receive(t, o.messages, fmt.Sprintf("message %d", i))
		}
		done := make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			s.CloseGradually(t.Context(), 8*time.Second, wire.CloseShutdown())
			done <- time.Since(began)
		}()
		silent.wantClose(wire.CloseShutdown())
		silent.closes(1001, "")
		silent.wantEnd()
		if at := time.Since(began).Round(time.Second); at != 2*time.Second {
			t.Errorf("the client without a message is closed after %v, want 2s, a quarter of the time for the first of four", at)
		}
		if late := s.connect(t).request(); late.StatusCode != 503 {
			t.Errorf("meanwhile a new client gets %s, want 503", late.Status)
		}
		busy.send(textFrame, "still here")
		if got := testkit.Receive(t, o.messages, "message"); got != "still here" {
			t.Errorf("meanwhile another client sends %q, want it received", got)
		}
		leaving.wantClose(wire.CloseShutdown())
		leaving.closes(1001, "")
		leaving.wantEnd()
		busy.wantClose(wire.CloseShutdown())
		busy.closes(1001, "")
		busy.wantEnd()
		if at := time.Since(began).Round(time.Second); at != 6*time.Second {
			t.Errorf("the third client is closed after %v, want 6s", at)
		}
		gone.closes(1000, "")
		if took := (<-done).Round(time.Second); took != 6*time.Second {
			t.Errorf("CloseGradually took %v, want that it ends with the last connection, after 6s", took)
		}
	})
}

// If its context has ended, Shutdown aborts at once.
func TestShutdownContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObserver()
		s := servePipes(t, nil, o)
		s.dial(t)
		testkit.Receive(t, o.opens, "Open").Send(text("never read"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		s.Shutdown(ctx, time.Hour, wire.CloseShutdown())
		if took := time.Since(began); took != time.Second {
			t.Errorf("Shutdown took %v, want 1s", took)
		}
		if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseShutdown() {
			t.Errorf("Closed(%v), want %v", got, wire.CloseShutdown())
		}
	})
}

// The end of Run without a Shutdown aborts all connections, with a close frame if the socket accepts one.
func TestRunEnds(t *testing.T) {
	o := newObserver()
	s := serve(t, nil, o)
	c := s.dial(t)
	testkit.Receive(t, o.opens, "Open")
	s.stop()
	c.wantClose(wire.CloseShutdown())
	c.wantEnd()
	if got := testkit.Receive(t, o.ends, "Closed"); got != wire.CloseShutdown() {
		t.Errorf("Closed(%v), want %v", got, wire.CloseShutdown())
	}
	s.Publish(subscribed, text("without subscribers"))
	if got := s.Shutdown(t.Context(), 0, wire.CloseShutdown()); got != 0 {
		t.Errorf("Shutdown after the end = %d, want 0", got)
	}
}

// Clients that come and go leave no goroutine and no file descriptor behind.
func TestComingAndGoing(t *testing.T) {
	o := newObserver()
	clients, each := testkit.Scale(20, 200), testkit.Scale(100, 50)
	o.ends = make(chan wire.Close, clients*each)
	s := serve(t, func(o *Options) { o.MaxConnections = 2 * clients }, o)
	o.open = func(c Conn) {
		c.Send(text("welcome"))
		c.Subscribe(outbox.TopicID(c.ID() % 3))
		c.Subscribe(subscribed)
	}
	o.message = func(_ Conn, text []byte) { s.Publish(subscribed, outbox.NewFrame(text)) }
	s.out.Drain(t.Context(), testkit.Timeout) // so that the outbox runs before goroutines are counted
	before, files := runtime.NumGoroutine(), openFiles(t)
	done := make(chan struct{})
	for i := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			for j := range each {
				comeAndGo(t, s, i+j)
			}
		}()
	}
	for range clients {
		testkit.Receive(t, done, "client")
	}
	for range clients * each {
		testkit.Receive(t, o.ends, "Closed")
	}
	// The resources of the last connections are released a moment later.
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	giveUp := time.After(testkit.Timeout)
	for {
		goroutines, now := runtime.NumGoroutine(), openFiles(t)
		if goroutines <= before+1 && now <= files+1 {
			testkit.Measured(t, "%d connections, %d at a time: %+d goroutines, %+d files", clients*each, clients, goroutines-before, now-files)
			break
		}
		select {
		case <-ticker.C:
		case <-giveUp:
			t.Fatalf("goroutines: %d before, %d after; files: %d before, %d after", before, goroutines, files, now)
		}
	}
	if got := s.Count(); got != 0 {
		t.Errorf("Count() = %d, want 0", got)
	}
}

// comeAndGo connects a client that disconnects in one of several ways.
func comeAndGo(t *testing.T, s *server, way int) {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	c.want(textFrame, "welcome")
	c.send(textFrame, "hello")
	switch way % 3 {
	case 0: // just goes
	case 1:
		c.closes(1000, "")
		for {
			if f, err := c.read(); err != nil || f.first == closeFrame {
				return
			}
		}
	case 2:
		c.send(0x83, "") // an opcode that does not exist
	}
}

// openFiles counts the file descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd")
	}
	return len(files)
}
