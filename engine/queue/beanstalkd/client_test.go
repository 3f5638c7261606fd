package beanstalkd

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// Jobs can be put, counted, peeked at, kicked and deleted; the connection stays good after each refusal.
func TestClient(t *testing.T) {
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	defer c.Close()
	ctx := t.Context()
	put := func(r queue.PutRequest) (uint64, error) {
		r.Queue = "orders"
		return c.Put(ctx, r)
	}
	if _, err := put(queue.PutRequest{Body: []byte(strings.Repeat("x", 65_536))}); !errors.Is(err, queue.ErrRefused) {
		t.Errorf("Put of 65536 bytes = %v, want %v", err, queue.ErrRefused)
	}
	if _, err := put(queue.PutRequest{Delay: 1500 * time.Millisecond}); err == nil {
		t.Error("Put with a delay of 1.5 s = nil, want an error")
	}
	if _, err := put(queue.PutRequest{TTR: -time.Second}); err == nil {
		t.Error("Put with a negative TTR = nil, want an error")
	}
	id, err := put(queue.PutRequest{Body: []byte(strings.Repeat("x", 65_535)), Priority: 7})
	if err != nil {
		t.Fatalf("Put of 65535 bytes = %v, want nil", err)
	}
	later, err := put(queue.PutRequest{Delay: time.Hour, Priority: queue.DefaultPriority})
	if err != nil {
		t.Fatalf("Put with a delay = %v, want nil", err)
	}
	if n, err := c.Counts(ctx, "orders"); err != nil || n != (queue.Counts{Ready: 1, Urgent: 1, Delayed: 1}) {
		t.Errorf("Counts = %+v, %v, want 1 ready that is urgent and 1 delayed", n, err)
	}
	if n, err := c.Counts(ctx, "nobody"); err != nil || n != (queue.Counts{}) {
		t.Errorf("Counts of an unused tube = %+v, %v, want none", n, err)
	}
	j, stats, err := c.Peek(ctx, "orders", queue.Ready)
	if err != nil || j.ID != id || len(j.Body) != 65_535 || stats.Priority != 7 || stats.Queue != "orders" {
		t.Errorf("Peek(ready) = job %d of %d bytes, %+v, %v, want job %d", j.ID, len(j.Body), stats, err, id)
	}
	if j, stats, err := c.Peek(ctx, "orders", queue.Delayed); err != nil || j.ID != later || stats.State != "delayed" {
		t.Errorf("Peek(delayed) = job %d, %+v, %v, want job %d", j.ID, stats, err, later)
	}
	if _, _, err := c.Peek(ctx, "orders", queue.Buried); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("Peek(buried) = %v, want %v", err, queue.ErrNotFound)
	}
	if err := c.KickJob(ctx, "default", later); err != nil {
		t.Errorf("KickJob = %v, want nil", err)
	}
	if _, stats, err := c.PeekJob(ctx, "default", later); err != nil || stats.State != "ready" || stats.Kicks != 1 {
		t.Errorf("PeekJob after the kick = %+v, %v, want it ready", stats, err)
	}
	if n, err := c.Kick(ctx, "orders", 10); err != nil || n != 0 {
		t.Errorf("Kick if nothing is buried = %d, %v, want 0, nil", n, err)
	}
	if err := c.Delete(ctx, "default", id); err != nil {
		t.Errorf("Delete = %v, want nil", err)
	}
	if err := c.Delete(ctx, "default", id); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("Delete again = %v, want %v", err, queue.ErrNotFound)
	}
}

// A client reconnects to a beanstalkd that was restarted while the client was idle. Without a beanstalkd, the error is not ErrUnsure.
func TestClientReconnects(t *testing.T) {
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	defer c.Close()
	put(t, s.Address, "before")
	if _, err := c.Put(t.Context(), queue.PutRequest{Queue: "default"}); err != nil {
		t.Fatalf("Put = %v, want nil", err)
	}
	s.Kill()
	c.usedAt = time.Now().Add(-2 * verifyAfter)
	if _, err := c.Put(t.Context(), queue.PutRequest{Queue: "default"}); err == nil || errors.Is(err, queue.ErrUnsure) {
		t.Errorf("Put without beanstalkd = %v, want an error other than ErrUnsure", err)
	}
	s.Restart(t)
	if _, err := c.Put(t.Context(), queue.PutRequest{Queue: "default"}); err != nil {
		t.Errorf("Put after the restart = %v, want nil", err)
	}
}

// Many goroutines may put jobs concurrently, and each gets its own ID.
func TestManyPut(t *testing.T) {
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	defer c.Close()
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for i := range 50 {
				body := fmt.Sprint(p, "-", i)
				id, err := c.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(body)})
				if err != nil {
					t.Errorf("Put = %v, want nil", err)
					return
				}
				if j, _, err := c.PeekJob(t.Context(), "default", id); err != nil || string(j.Body) != body {
					t.Errorf("PeekJob(%d) = %q, %v, want %q", id, j.Body, err, body)
				}
			}
		})
	}
	wg.Wait()
}

// After Close nothing is sent.
func TestClosedClient(t *testing.T) {
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	if _, err := c.Put(t.Context(), queue.PutRequest{Queue: "default"}); err != nil {
		t.Fatalf("Put = %v, want nil", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	if _, err := c.Put(t.Context(), queue.PutRequest{Queue: "default"}); !errors.Is(err, errClientClosed) {
		t.Errorf("Put after Close = %v, want %v", err, errClientClosed)
	}
}

// While beanstalkd does not answer, only the first of many Puts waits for it, and the others fail with it.
func TestManyPutsToSilentServer(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{})
	p := beanstalkd.NewProxy(t, s)
	s.Stop(t)
	c := NewClient(p.Address)
	const many = 20
	failed := make(chan error, many)
	var puts sync.WaitGroup
	for range many {
		puts.Go(func() {
			_, err := c.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(job("late"))})
			failed <- err
		})
	}
	puts.Wait()
	if asked := p.Accepted(); asked > many/4 { // on a busy machine some may be too late to fail with the first
		t.Errorf("%d Puts connected %d times, want about once", many, asked)
	}
	for range many {
		if err := <-failed; !errors.Is(err, errNoAnswer) {
			t.Errorf("Put = %v, want %v", err, errNoAnswer)
		}
	}
	s.Continue(t)
	testkit.WaitFor(t, "a job to be put", func() bool {
		_, err := c.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(job("there"))})
		return err == nil
	})
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close = %v, want nil, also if it is closed already", err)
		}
	}
}
