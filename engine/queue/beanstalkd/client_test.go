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

// What is put can be counted, looked at, kicked and deleted; the connection stays good after each refusal.
func TestClient(t *testing.T) {
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	defer c.Close()
	ctx := t.Context()
	put := func(p queue.Put) (uint64, error) {
		p.Queue = "orders"
		return c.Put(ctx, p)
	}
	if _, err := put(queue.Put{Body: []byte(strings.Repeat("x", 65_536))}); !errors.Is(err, queue.ErrRefused) {
		t.Errorf("Put of 65536 bytes = %v, want %v", err, queue.ErrRefused)
	}
	if _, err := put(queue.Put{Delay: 1500 * time.Millisecond}); err == nil {
		t.Error("Put with a delay of 1.5 s = nil, want an error")
	}
	if _, err := put(queue.Put{TTR: -time.Second}); err == nil {
		t.Error("Put with a negative TTR = nil, want an error")
	}
	id, err := put(queue.Put{Body: []byte(strings.Repeat("x", 65_535)), Priority: 7})
	if err != nil {
		t.Fatalf("Put of 65535 bytes = %v, want nil", err)
	}
	later, err := put(queue.Put{Delay: time.Hour, Priority: queue.DefaultPriority})
	if err != nil {
		t.Fatalf("Put with a delay = %v, want nil", err)
	}
	if n, err := c.Counts(ctx, "orders"); err != nil || n != (queue.Counts{Ready: 1, Urgent: 1, Delayed: 1}) {
		t.Errorf("Counts = %+v, %v, want 1 ready that is urgent and 1 delayed", n, err)
	}
	if n, err := c.Counts(ctx, "nobody"); err != nil || n != (queue.Counts{}) {
		t.Errorf("Counts of an unused tube = %+v, %v, want none", n, err)
	}
	p, err := c.Peek(ctx, "orders", queue.Ready)
	if err != nil || p.ID != id || len(p.Body) != 65_535 || p.Stats.Priority != 7 || p.Stats.Queue != "orders" {
		t.Errorf("Peek(ready) = job %d of %d bytes, %+v, %v, want job %d", p.ID, len(p.Body), p.Stats, err, id)
	}
	if p, err := c.Peek(ctx, "orders", queue.Delayed); err != nil || p.ID != later || p.Stats.State != "delayed" {
		t.Errorf("Peek(delayed) = %+v, %v, want job %d", p, err, later)
	}
	if _, err := c.Peek(ctx, "orders", queue.Buried); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("Peek(buried) = %v, want %v", err, queue.ErrNotFound)
	}
	if err := c.KickJob(ctx, later); err != nil {
		t.Errorf("KickJob = %v, want nil", err)
	}
	if p, err := c.Job(ctx, later); err != nil || p.Stats.State != "ready" || p.Stats.Kicks != 1 {
		t.Errorf("Job after the kick = %+v, %v, want it ready", p, err)
	}
	if n, err := c.Kick(ctx, "orders", 10); err != nil || n != 0 {
		t.Errorf("Kick where nothing is buried = %d, %v, want 0, nil", n, err)
	}
	if err := c.Delete(ctx, id); err != nil {
		t.Errorf("Delete = %v, want nil", err)
	}
	if err := c.Delete(ctx, id); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("Delete again = %v, want %v", err, queue.ErrNotFound)
	}
}

// A client finds a beanstalkd that was restarted while the client was idle; none is an error that does not say unsure.
func TestClientReconnects(t *testing.T) {
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	defer c.Close()
	put(t, s.Address, "before")
	if _, err := c.Put(t.Context(), queue.Put{Queue: "default"}); err != nil {
		t.Fatalf("Put = %v, want nil", err)
	}
	s.Kill()
	c.used = time.Now().Add(-2 * rested)
	if _, err := c.Put(t.Context(), queue.Put{Queue: "default"}); err == nil || errors.Is(err, queue.ErrUnsure) {
		t.Errorf("Put without beanstalkd = %v, want an error that is sure", err)
	}
	s.Restart(t)
	if _, err := c.Put(t.Context(), queue.Put{Queue: "default"}); err != nil {
		t.Errorf("Put after the restart = %v, want nil", err)
	}
}

// Many goroutines may put at once, and each is told its own number.
func TestManyPut(t *testing.T) {
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	defer c.Close()
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for i := range 50 {
				body := fmt.Sprint(p, "-", i)
				id, err := c.Put(t.Context(), queue.Put{Queue: "default", Body: []byte(body)})
				if err != nil {
					t.Errorf("Put = %v, want nil", err)
					return
				}
				if j, err := c.Job(t.Context(), id); err != nil || string(j.Body) != body {
					t.Errorf("Job(%d) = %q, %v, want %q", id, j.Body, err, body)
				}
			}
		})
	}
	wg.Wait()
}

// After Close nothing is sent any more.
func TestClosedClient(t *testing.T) {
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	if _, err := c.Put(t.Context(), queue.Put{Queue: "default"}); err != nil {
		t.Fatalf("Put = %v, want nil", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	if _, err := c.Put(t.Context(), queue.Put{Queue: "default"}); !errors.Is(err, errClientClosed) {
		t.Errorf("Put after Close = %v, want %v", err, errClientClosed)
	}
}

// While beanstalkd does not answer, only the first of many that want to put a job wait for it, and the others fail with it.
func TestManyPutsToASilentService(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{})
	p := beanstalkd.NewProxy(t, s.Address)
	s.Stop(t)
	c := NewClient(p.Address)
	const many = 20
	failed := make(chan error, many)
	var puts sync.WaitGroup
	for range many {
		puts.Go(func() {
			_, err := c.Put(t.Context(), queue.Put{Queue: "default", Body: []byte(job("late"))})
			failed <- err
		})
	}
	puts.Wait()
	if asked := p.Accepted(); asked > many/4 { // on a busy machine some may be too late to fail with the first
		t.Errorf("%d Puts asked the service %d times, want about once", many, asked)
	}
	for range many {
		if err := <-failed; !errors.Is(err, errSilent) {
			t.Errorf("Put = %v, want %v", err, errSilent)
		}
	}
	s.Continue(t)
	testkit.WaitFor(t, "a job to be put", func() bool {
		_, err := c.Put(t.Context(), queue.Put{Queue: "default", Body: []byte(job("there"))})
		return err == nil
	})
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close = %v, want nil, also when it is closed", err)
		}
	}
}
