package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/memory"
)

// statsDriver is a driver whose sources set the stats of each job, and cannot be asked.
type statsDriver struct {
	*memory.Queue
	stats func(j queue.Job) queue.Stats
	touch func()
}

type statsSource struct {
	queue.Source
	d *statsDriver
}

func (d *statsDriver) Open(ctx context.Context, name string) (queue.Source, error) {
	s, err := d.Queue.Open(ctx, name)
	return statsSource{s, d}, err
}

func (s statsSource) Reserve(wait time.Duration, answer func(queue.Job, error)) {
	s.Source.Reserve(wait, func(j queue.Job, err error) {
		if err == nil {
			stats := s.d.stats(j)
			j.Stats, j.ID, j.Fingerprint.Hash = &stats, 100-j.ID, 1
		}
		answer(j, err)
	})
}

func (s statsSource) Touch(id uint64, answer func(error)) {
	s.d.touch()
	s.Source.Touch(100-id, answer)
}

func (s statsSource) Delete(id uint64, answer func(error)) { s.Source.Delete(100-id, answer) }

func (s statsSource) GiveBack(id uint64, priority uint32, answer func(error)) {
	s.Source.GiveBack(100-id, priority, answer)
}

// If jobs come with their stats, these count from the first job to the last, whatever the IDs: a job that is new runs although one
// with its ID and hash has run, and one that is not new does not run again, however old it is said to be.
func TestReservedStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, isNew := range []bool{true, false} {
			q := memory.New(loop.RealClock{})
			d := &statsDriver{Queue: q, stats: func(queue.Job) queue.Stats {
				return queue.Stats{Reserves: 3, Releases: 2, New: isNew, Age: queue.UnknownAge}
			}}
			o := options()
			o.Applied = []queue.Fingerprint{{ID: 99, Hash: 1, First: time.Now().Add(-time.Minute)}}
			var attempts []int
			r := start(t, q, o, d, func(_ context.Context, j queue.Job, done func(error)) {
				attempts = append(attempts, j.Attempt)
				done(nil)
			})
			for range 70 { // more than are begun one by one
				put(t, q, "Job")
			}
			pass(10 * time.Second)
			r.stop()
			want, redelivered := 70, uint64(0)
			if !isNew {
				want, redelivered = 69, 1
			}
			if s := r.Status(); len(attempts) != want || s.Redelivered != redelivered || s.Done != 70 {
				t.Errorf("new: %t: %d ran, Status = %+v, want %d that run, and %d delivered again", isNew, len(attempts), s, want, redelivered)
			}
			for _, attempt := range attempts {
				if attempt != 3 {
					t.Fatalf("attempts: got %v, want 3 for each", attempts)
				}
			}
		}
	})
}

// A job is touched after two fifths of its time to run.
func TestTouchesByTTR(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(loop.RealClock{})
		touches := 0
		d := &statsDriver{Queue: q, stats: func(queue.Job) queue.Stats { return queue.Stats{New: true} }, touch: func() { touches++ }}
		o := options()
		o.TTR, o.HandlerTimeout = 100*time.Second, time.Hour
		r := start(t, q, o, d, func(context.Context, queue.Job, func(error)) {})
		put(t, q, "Endless")
		pass(410 * time.Second)
		r.stop()
		if touches != 10 {
			t.Errorf("in 410 s a job with 100 s to run was touched %d times, want 10", touches)
		}
	})
}
