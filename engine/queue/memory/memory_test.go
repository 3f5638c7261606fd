package memory

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
)

func put(t *testing.T, q *Queue, r queue.PutRequest) uint64 {
	t.Helper()
	r.Queue = "default"
	id, err := q.Put(t.Context(), r)
	if err != nil {
		t.Fatalf("Put(%+v) = %v, want nil", r, err)
	}
	return id
}

// open returns a source and a function that reserves its next job without waiting.
func open(t *testing.T, q *Queue) (queue.Source, func() (queue.Job, error)) {
	t.Helper()
	s, err := q.Open(t.Context(), "default")
	if err != nil {
		t.Fatalf("Open = %v, want nil", err)
	}
	return s, func() (r queue.Job, err error) {
		s.Reserve(0, func(got queue.Job, gotErr error) { r, err = got, gotErr })
		return r, err
	}
}

// Jobs are reserved by priority, then by age.
func TestOrder(t *testing.T) {
	q := New(loop.RealClock{})
	var want []uint64
	for _, priority := range []uint32{5, 1, 5, 0, 1} {
		want = append(want, put(t, q, queue.PutRequest{Priority: priority}))
	}
	want = []uint64{want[3], want[1], want[4], want[0], want[2]}
	_, take := open(t, q)
	var got []uint64
	for range want {
		r, err := take()
		if err != nil {
			t.Fatalf("Reserve = %v, want nil", err)
		}
		got = append(got, r.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("order: got %v, want %v", got, want)
	}
	if _, err := take(); !errors.Is(err, queue.ErrEmpty) {
		t.Errorf("Reserve of no job = %v, want %v", err, queue.ErrEmpty)
	}
}

// A delayed job becomes ready after its delay, also for a reserve that waits; if kicked, it is ready at once.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(loop.RealClock{})
		s, take := open(t, q)
		id := put(t, q, queue.PutRequest{Delay: 10 * time.Second})
		kicked := put(t, q, queue.PutRequest{Delay: time.Hour})
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if _, err := take(); !errors.Is(err, queue.ErrEmpty) {
			t.Errorf("Reserve before the delay has passed = %v, want %v", err, queue.ErrEmpty)
		}
		if j, stats, err := q.Peek(t.Context(), "default", queue.Delayed); err != nil || j.ID != id || stats.Age != 9*time.Second {
			t.Errorf("Peek(delayed) = job %d, %+v, %v, want job %d, 9 s old", j.ID, stats, err, id)
		}
		var got queue.Job
		s.Reserve(5*time.Second, func(r queue.Job, _ error) { got = r })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got.ID != id {
			t.Errorf("Reserve that waits = job %d, want %d", got.ID, id)
		}
		if err := q.KickJob(t.Context(), "default", kicked); err != nil {
			t.Errorf("KickJob = %v, want nil", err)
		}
		if r, err := take(); err != nil || r.ID != kicked {
			t.Errorf("Reserve after KickJob = job %d, %v, want %d", r.ID, err, kicked)
		}
		var waited error
		s.Reserve(5*time.Second, func(_ queue.Job, err error) { waited = err })
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if !errors.Is(waited, queue.ErrEmpty) {
			t.Errorf("Reserve that waits for nothing = %v, want %v", waited, queue.ErrEmpty)
		}
	})
}

// The stats count the reserves, releases, buries and kicks of a job, and a source finds no job that it has not reserved.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(loop.RealClock{})
		s, take := open(t, q)
		id := put(t, q, queue.PutRequest{Body: []byte("body"), Priority: 9})
		var err error
		note := func(e error) { err = e }
		if s.Delete(id, note); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("Delete of a job that is ready = %v, want %v", err, queue.ErrNotFound)
		}
		if r, err := take(); err != nil || !bytes.Equal(r.Body, []byte("body")) {
			t.Errorf("Reserve = %q, %v, want the body", r.Body, err)
		}
		if err := q.Delete(t.Context(), "default", id); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("Delete of a job that is reserved = %v, want %v", err, queue.ErrNotFound)
		}
		if s.Release(id, 7, time.Second, note); err != nil {
			t.Errorf("Release = %v, want nil", err)
		}
		if n, _ := q.Counts(t.Context(), "default"); n != (queue.Counts{Delayed: 1}) {
			t.Errorf("Counts after a release = %+v, want 1 delayed", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := take(); err != nil {
			t.Errorf("Reserve after the release = %v, want nil", err)
		}
		if s.Bury(id, 7, "it is broken", note); err != nil {
			t.Errorf("Bury = %v, want nil", err)
		}
		if _, err := q.Put(t.Context(), queue.PutRequest{Queue: "other", Delay: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if all, delayed, buried := q.Remaining(); all != 2 || delayed != 1 || buried != 1 {
			t.Errorf("Remaining = %d, %d, %d, want 2 of which 1 is delayed and 1 buried", all, delayed, buried)
		}
		if n, err := q.Kick(t.Context(), "default", 5); n != 1 || err != nil {
			t.Errorf("Kick = %d, %v, want 1, nil", n, err)
		}
		_, stats, err := q.Peek(t.Context(), "default", queue.Ready)
		want := queue.Stats{
			Queue: "default", State: "ready", Priority: 7, Age: time.Second, Reserves: 2, Releases: 1, Buries: 1, Kicks: 1,
		}
		if err != nil || stats != want {
			t.Errorf("Peek = %+v, %v, want %+v", stats, err, want)
		}
		if _, err := take(); err != nil {
			t.Errorf("Reserve after the kick = %v, want nil", err)
		}
		s.Close()
		if n, _ := q.Counts(t.Context(), "default"); n != (queue.Counts{Ready: 1, Urgent: 1}) {
			t.Errorf("Counts after the source ended = %+v, want 1 ready", n)
		}
		if err := q.Delete(t.Context(), "default", id); err != nil {
			t.Errorf("Delete = %v, want nil", err)
		}
		if _, _, err := q.PeekJob(t.Context(), "default", id); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("PeekJob after Delete = %v, want %v", err, queue.ErrNotFound)
		}
	})
}

// The size of a job, the number of jobs and their total size are bounded.
func TestBounds(t *testing.T) {
	q := New(loop.RealClock{})
	if _, err := q.Put(t.Context(), queue.PutRequest{Queue: "default", Body: make([]byte, 65_536)}); !errors.Is(err, ErrTooBig) {
		t.Errorf("Put of 65536 bytes = %v, want %v", err, ErrTooBig)
	}
	for range 100_000 {
		put(t, q, queue.PutRequest{})
	}
	if _, err := q.Put(t.Context(), queue.PutRequest{Queue: "default"}); !errors.Is(err, ErrFull) {
		t.Errorf("Put of one more than 100000 = %v, want %v", err, ErrFull)
	}

	full, body := New(loop.RealClock{}), make([]byte, 65_535)
	var last uint64
	for range 64 << 20 / len(body) {
		last = put(t, full, queue.PutRequest{Body: body})
	}
	if _, err := full.Put(t.Context(), queue.PutRequest{Queue: "default", Body: body}); !errors.Is(err, ErrFull) {
		t.Errorf("Put beyond 64 MiB = %v, want %v", err, ErrFull)
	}
	if err := full.Delete(t.Context(), "default", last); err != nil {
		t.Errorf("Delete = %v, want nil", err)
	}
	put(t, full, queue.PutRequest{Body: body})
}
