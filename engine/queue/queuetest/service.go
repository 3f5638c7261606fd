package queuetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// The jobs of a process that crashed run again once their time to run is over. The crash counts as no attempt.
func testCrash(f *fixture) {
	f.start(2 * time.Second)
	f.put("First", "Second")
	crashed := f.open(f.Driver())
	crashed.reserve()
	crashed.reserve()
	f.expect("while both are reserved", 0, 0, 2, 0)
	crashed.Close()
	var ran recorder
	w := f.work(f.options(), ran.Job)
	testkit.WaitFor(f, "both jobs", func() bool { return w.Status().Done == 2 })
	if got := ran.list(); !slices.Equal(got, []string{"First 1", "Second 1"}) {
		f.Errorf("after the crash ran %v, want both jobs as their first attempt", got)
	}
	f.waitEmpty()
}

// After a lost connection, the driver delivers the jobs that it held at once. Jobs that it does not hold are not found.
func testRedelivery(f *fixture) {
	f.start(longTTR)
	ids := f.put("First", "Second")
	d := f.Driver()
	lost := f.open(d)
	if got := lost.reserve(); got.ID != ids[0] || !strings.Contains(string(got.Body), `"job":"First"`) {
		f.Errorf("Reserve = %d, %s, want the first job, %d", got.ID, got.Body, ids[0])
	}
	if err := lost.do(func(answer func(error)) { lost.Touch(ids[1], answer) }); !errors.Is(err, queue.ErrNotFound) {
		f.Errorf("Touch of a job that is ready = %v, want %v", err, queue.ErrNotFound)
	}
	if err := lost.do(func(answer func(error)) { lost.Touch(ids[0], answer) }); err != nil {
		f.Errorf("Touch = %v, want nil", err)
	}
	lost.Close()
	s := f.open(d)
	defer s.Close()
	again := s.reserve()
	if again.ID != ids[0] || again.Stats != nil && again.Stats.New {
		f.Errorf("Reserve by the next source = %d, %+v, want the first job again, %d", again.ID, again.Stats, ids[0])
	}
	if err := s.do(func(answer func(error)) { s.Delete(ids[0], answer) }); err != nil {
		f.Errorf("Delete = %v, want nil", err)
	}
	if err := s.do(func(answer func(error)) { s.Touch(ids[0], answer) }); !errors.Is(err, queue.ErrNotFound) {
		f.Errorf("Touch of a job that was deleted = %v, want %v", err, queue.ErrNotFound)
	}
	if got := s.reserve(); got.ID != ids[1] {
		f.Errorf("Reserve = %d, want the second job, %d", got.ID, ids[1])
	}
	if err := s.do(func(answer func(error)) { s.Release(ids[1], queue.DefaultPriority, time.Hour, answer) }); err != nil {
		f.Errorf("Release = %v, want nil", err)
	}
	f.expect("at the end", 0, 1, 0, 0)
}

// While the service is down, the worker goes on. A job that ended meanwhile is not run again, and later ones are run.
func testOutage(f *fixture) {
	f.start(longTTR)
	if f.Kill == nil {
		f.Skip("the service is a part of this process")
	}
	begun, release := make(chan struct{}, 1), make(chan struct{})
	var runs atomic.Int64
	w := f.work(f.options(), func(_ context.Context, j queue.Job, done func(error)) {
		runs.Add(1)
		if j.Command != "Held" {
			done(nil)
			return
		}
		begun <- struct{}{}
		go func() {
			<-release
			done(nil)
		}()
	})
	f.put("Held")
	testkit.Receive(f, begun, "the job")
	f.Kill()
	testkit.WaitFor(f, "the worker to notice", func() bool { return !w.Status().Connected })
	close(release)
	if _, err := f.Client.Put(f.Context(), queue.PutRequest{Queue: queueName, Body: []byte(body("Lost")), Priority: queue.DefaultPriority}); err == nil {
		f.Error("Put while the service is down = nil, want an error")
	}
	f.Restart()
	testkit.WaitFor(f, "the connection", func() bool { return w.Status().Connected })
	f.put("Later")
	testkit.WaitFor(f, "both jobs", func() bool { return w.Status().Done == 2 })
	f.waitEmpty()
	if s := w.Status(); runs.Load() != 2 || s.Redelivered != 1 || s.ConnectionsLost == 0 {
		f.Errorf("%d runs, Status = %+v, want two runs, one job delivered again, and a lost connection", runs.Load(), s)
	}
}

// Jobs are reserved by priority, or a service without priorities says so.
func testPriorities(f *fixture) {
	f.start(longTTR)
	f.put("Usual")
	_, err := f.Client.Put(f.Context(), queue.PutRequest{Queue: queueName, Body: []byte(body("Urgent"))})
	if !f.Priorities {
		if !errors.Is(err, queue.ErrUnsupported) || !errors.Is(err, queue.ErrRefused) || !strings.Contains(err.Error(), "priorit") {
			f.Errorf("Put of an urgent job = %v, want %v that names priorities", err, queue.ErrUnsupported)
		}
		return
	}
	if n := f.counts(); err != nil || n.Urgent != 1 {
		f.Errorf("Put of an urgent job = %v, and Counts = %+v, want one urgent job", err, n)
	}
	var ran recorder
	w := f.work(f.options(), ran.Job)
	testkit.WaitFor(f, "both jobs", func() bool { return w.Status().Done == 2 })
	if got := ran.list(); !slices.Equal(got, []string{"Urgent 1", "Usual 1"}) {
		f.Errorf("ran %v, want the urgent job first", got)
	}
}

// Jobs are counted and shown by state and by ID; a queue that does not exist has none.
func testCounts(f *fixture) {
	f.start(longTTR)
	if n, err := f.Client.Counts(f.Context(), "nothing"); err != nil || n.Ready+n.Delayed+n.Reserved+n.Buried != 0 {
		f.Errorf("Counts of a queue that does not exist = %+v, %v, want none", n, err)
	}
	for _, state := range []queue.State{queue.Ready, queue.Delayed, queue.Buried} {
		if _, _, err := f.Client.Peek(f.Context(), queueName, state); !errors.Is(err, queue.ErrNotFound) {
			f.Errorf("Peek(%s) without jobs = %v, want %v", state, err, queue.ErrNotFound)
		}
	}
	ids := f.put("First", "Second")
	later := f.putJob(queue.PutRequest{Body: []byte(body("Later")), Delay: time.Hour, Priority: queue.DefaultPriority})
	s := f.open(f.Driver())
	defer s.Close()
	s.reserve()
	f.expect("with one reserved", 1, 1, 1, 0)
	for _, row := range []struct {
		id            uint64
		state, inBody string
	}{{ids[0], "reserved", "First"}, {ids[1], "ready", "Second"}, {later, "delayed", "Later"}} {
		j, stats, err := f.Client.PeekJob(f.Context(), queueName, row.id)
		if err != nil || j.ID != row.id || stats.State != row.state || stats.Queue != queueName || !strings.Contains(string(j.Body), row.inBody) {
			f.Errorf("PeekJob(%d) = %s, %+v, %v, want %s, which is %s", row.id, j.Body, stats, err, row.inBody, row.state)
		}
		if f.Ages == (stats.Age == queue.UnknownAge) {
			f.Errorf("PeekJob(%d) has the age %v, want it known: %t", row.id, stats.Age, f.Ages)
		}
		if row.state == "reserved" {
			continue
		}
		j, stats, err = f.Client.Peek(f.Context(), queueName, queue.State(row.state))
		if err != nil || j.ID != row.id || stats.State != row.state {
			f.Errorf("Peek(%s) = %d, %+v, %v, want %d", row.state, j.ID, stats, err, row.id)
		}
	}
	if _, _, err := f.Client.PeekJob(f.Context(), queueName, 1<<40); !errors.Is(err, queue.ErrNotFound) {
		f.Errorf("PeekJob of a job that does not exist = %v, want %v", err, queue.ErrNotFound)
	}
}

// Delayed jobs are made ready if none is buried, all or one.
func testKick(f *fixture) {
	f.start(longTTR)
	if n, err := f.Client.Kick(f.Context(), queueName, 5); n != 0 || err != nil {
		f.Errorf("Kick without jobs = %d, %v, want 0", n, err)
	}
	var ids []uint64
	for _, command := range []string{"First", "Second", "Third"} {
		ids = append(ids, f.putJob(queue.PutRequest{Body: []byte(body(command)), Delay: time.Hour, Priority: queue.DefaultPriority}))
	}
	if err := f.Client.KickJob(f.Context(), queueName, ids[1]); err != nil {
		f.Errorf("KickJob = %v, want nil", err)
	}
	if err := f.Client.KickJob(f.Context(), queueName, ids[1]); !errors.Is(err, queue.ErrNotFound) {
		f.Errorf("KickJob of a job that is ready = %v, want %v", err, queue.ErrNotFound)
	}
	if n, err := f.Client.Kick(f.Context(), queueName, 1); n != 1 || err != nil {
		f.Errorf("Kick(1) = %d, %v, want 1", n, err)
	}
	f.expect("after two kicks", 2, 1, 0, 0)
	s := f.open(f.Driver())
	defer s.Close()
	j := s.reserve()
	if err := s.do(func(answer func(error)) { s.Bury(j.ID, queue.DefaultPriority, "by hand", answer) }); err != nil {
		f.Errorf("Bury = %v, want nil", err)
	}
	f.expectBuried(string(j.Body), "by hand")
	if n, err := f.Client.Kick(f.Context(), queueName, 5); n != 1 || err != nil {
		f.Errorf("Kick(5) with one buried = %d, %v, want the buried one only", n, err)
	}
	f.expect("after the last kick", 2, 1, 0, 0)
}

// Jobs that no worker has reserved can be deleted.
func testDelete(f *fixture) {
	f.start(longTTR)
	ids := f.put("Held", "Ready", "Buried")
	later := f.putJob(queue.PutRequest{Body: []byte(body("Later")), Delay: time.Hour, Priority: queue.DefaultPriority})
	s := f.open(f.Driver())
	defer s.Close()
	held := []queue.Job{s.reserve(), s.reserve(), s.reserve()}
	if err := s.do(func(answer func(error)) { s.Bury(held[2].ID, queue.DefaultPriority, "by hand", answer) }); err != nil {
		f.Errorf("Bury = %v, want nil", err)
	}
	buried, _, err := f.Client.Peek(f.Context(), queueName, queue.Buried)
	if err != nil {
		f.Fatalf("Peek(buried) = %v, want the job", err)
	}
	if err := s.do(func(answer func(error)) { s.GiveBack(held[1].ID, queue.DefaultPriority, answer) }); err != nil {
		f.Errorf("GiveBack = %v, want nil", err)
	}
	if err := f.Client.Delete(f.Context(), queueName, ids[0]); !errors.Is(err, queue.ErrNotFound) {
		f.Errorf("Delete of a reserved job = %v, want %v", err, queue.ErrNotFound)
	}
	for _, id := range []uint64{ids[1], later, buried.ID} {
		if err := f.Client.Delete(f.Context(), queueName, id); err != nil {
			f.Errorf("Delete(%d) = %v, want nil", id, err)
		}
		if err := f.Client.Delete(f.Context(), queueName, id); !errors.Is(err, queue.ErrNotFound) {
			f.Errorf("Delete(%d) again = %v, want %v", id, err, queue.ErrNotFound)
		}
	}
	f.expect("at the end", 0, 0, 1, 0)
}

// The handler gets the bytes of a body in an unknown format as they were put, on each attempt, also of two jobs with the same body.
func testBodies(f *fixture) {
	f.start(longTTR)
	bodies := []string{`{"event": "Order", "n": 12345678901234567890, "empty": [], "text": "\u00e9 {[,"}`, "same", "same"}
	if f.Binary {
		bodies = append(bodies, "\x01binary\xff\x00\r\n")
	}
	for _, body := range bodies {
		f.putJob(queue.PutRequest{Body: []byte(body), Priority: queue.DefaultPriority})
	}
	heard := make(chan string, 2*len(bodies))
	w := f.work(f.options(), func(_ context.Context, j queue.Job, done func(error)) {
		heard <- string(j.Body)
		if j.Attempt == 1 {
			done(errors.New("once more"))
			return
		}
		done(nil)
	})
	testkit.WaitFor(f, "the jobs", func() bool { return w.Status().Done == uint64(len(bodies)) })
	var got []string
	for len(heard) > 0 {
		got = append(got, <-heard)
	}
	want := append(slices.Clone(bodies), bodies...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.Errorf("the handler got %q, want each body twice: %q", got, want)
	}
}
