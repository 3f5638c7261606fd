package memory

import (
	"context"
	"slices"
	"time"

	"perigee/engine/queue"
)

var _ queue.StatsSource = (*source)(nil)

// source is a queue.Source, which describes its methods. Its fields are guarded by the mutex of the queue.
type source struct {
	q      *Queue
	name   string
	held   map[uint64]*job // reserved by this source
	closed bool
}

// waiter is a Reserve that waits for a job.
type waiter struct {
	source *source
	answer func(queue.Job, error)
	stop   func() bool
}

// Open returns a source of the jobs of one queue.
func (q *Queue) Open(_ context.Context, name string) (queue.Source, error) {
	return &source{q: q, name: name, held: map[uint64]*job{}}, nil
}

// take reserves the first ready job. mu must be held.
func (s *source) take(n *namedQueue) queue.Job {
	j := n.ready[0]
	s.q.remove(j)
	j.state = reserved
	j.stats.Reserves++
	s.held[j.id] = j
	return queue.Job{ID: j.id, Body: slices.Clone(j.body)}
}

// Reserve reserves the next job. Unlike in beanstalkd, commands sent while it waits are answered before it.
func (s *source) Reserve(wait time.Duration, answer func(queue.Job, error)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	n := s.q.named(s.name)
	switch {
	case s.closed:
		answer(queue.Job{}, queue.ErrStopping)
	case len(n.ready) > 0:
		answer(s.take(n), nil)
	case wait <= 0:
		answer(queue.Job{}, queue.ErrEmpty)
	default:
		w := &waiter{source: s, answer: answer}
		n.waiting = append(n.waiting, w)
		w.stop = s.q.clock.AfterFunc(wait, func() {
			s.q.mu.Lock()
			defer s.q.mu.Unlock()
			s.q.endWait(n, w, queue.ErrEmpty)
		})
	}
}

// endWait answers a Reserve that waits no longer. mu must be held.
func (q *Queue) endWait(n *namedQueue, w *waiter, err error) {
	if i := slices.Index(n.waiting, w); i >= 0 {
		n.waiting = slices.Delete(n.waiting, i, i+1)
		w.answer(queue.Job{}, err)
	}
}

// finish ends the reservation of a job and calls f with it.
func (s *source) finish(id uint64, answer func(error), f func(j *job)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	j := s.held[id]
	if j == nil {
		answer(queue.ErrNotFound)
		return
	}
	delete(s.held, id)
	f(j)
	answer(nil)
}

func (s *source) Delete(id uint64, answer func(error)) {
	s.finish(id, answer, s.q.drop)
}

func (s *source) Release(id uint64, priority uint32, delay time.Duration, answer func(error)) {
	s.finish(id, answer, func(j *job) {
		j.stats.Priority = priority
		j.stats.Releases++
		s.q.enqueue(j, delay)
	})
}

func (s *source) GiveBack(id uint64, priority uint32, answer func(error)) {
	s.finish(id, answer, func(j *job) {
		j.stats.Priority = priority
		j.stats.Buries++
		j.stats.Kicks++
		s.q.enqueue(j, 0)
	})
}

func (s *source) Bury(id uint64, priority uint32, reason string, answer func(error)) {
	s.finish(id, answer, func(j *job) {
		j.stats.Priority, j.stats.Reason = priority, reason
		j.stats.Buries++
		j.state = queue.Buried
		n := s.q.named(j.queue)
		n.buried = append(n.buried, j)
	})
}

// Touch has no effect: reserved jobs have no time limit.
func (s *source) Touch(id uint64, answer func(error)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if s.held[id] == nil {
		answer(queue.ErrNotFound)
		return
	}
	answer(nil)
}

func (s *source) Stats(id uint64, answer func(queue.Stats, error)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	j := s.q.jobs[id]
	if j == nil {
		answer(queue.Stats{}, queue.ErrNotFound)
		return
	}
	answer(s.q.statsOf(j), nil)
}

func (s *source) Buried(answer func(int, error)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	answer(len(s.q.named(s.name).buried), nil)
}

// Flush has no effect: commands are not buffered.
func (s *source) Flush() {}

// Close makes the jobs of the source ready again.
func (s *source) Close() {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.closed = true
	n := s.q.named(s.name)
	for _, w := range slices.Clone(n.waiting) {
		if w.source == s {
			w.stop()
			s.q.endWait(n, w, queue.ErrStopping)
		}
	}
	for id, j := range s.held {
		delete(s.held, id)
		s.q.enqueue(j, 0)
	}
}
