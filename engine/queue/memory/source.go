package memory

import (
	"context"
	"slices"
	"time"

	"perigee/engine/queue"
)

var _ queue.Source = (*source)(nil)

// source is who takes jobs. All its fields are guarded by the mutex of the queue.
type source struct {
	q      *Queue
	name   string
	has    map[uint64]*job
	closed bool
}

// waiter is a Reserve that waits for a job.
type waiter struct {
	source *source
	answer func(queue.Reserved, error)
	stop   func() bool
}

// Open returns a source of the jobs of one queue.
func (q *Queue) Open(_ context.Context, name string) (queue.Source, error) {
	return &source{q: q, name: name, has: map[uint64]*job{}}, nil
}

// take reserves the first ready job. mu is held.
func (s *source) take(t *named) queue.Reserved {
	j := t.ready[0]
	s.q.remove(j)
	j.state = reserved
	j.stats.Reserves++
	s.has[j.id] = j
	return queue.Reserved{ID: j.id, Body: slices.Clone(j.body)}
}

// Reserve takes the next job. Unlike with beanstalkd, what is asked while it waits is answered before it.
func (s *source) Reserve(wait time.Duration, answer func(queue.Reserved, error)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	t := s.q.named(s.name)
	switch {
	case s.closed:
		answer(queue.Reserved{}, queue.ErrStopping)
	case len(t.ready) > 0:
		answer(s.take(t), nil)
	case wait <= 0:
		answer(queue.Reserved{}, queue.ErrEmpty)
	default:
		w := &waiter{source: s, answer: answer}
		t.waiting = append(t.waiting, w)
		w.stop = s.q.clock.AfterFunc(wait, func() {
			s.q.mu.Lock()
			defer s.q.mu.Unlock()
			s.q.giveUp(t, w, queue.ErrEmpty)
		})
	}
}

// giveUp answers a Reserve that waits no longer. mu is held.
func (q *Queue) giveUp(t *named, w *waiter, err error) {
	if i := slices.Index(t.waiting, w); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
		w.answer(queue.Reserved{}, err)
	}
}

// settle takes a job away from the source and does what f says with it.
func (s *source) settle(id uint64, answer func(error), f func(j *job)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	j := s.has[id]
	if j == nil {
		answer(queue.ErrNotFound)
		return
	}
	delete(s.has, id)
	f(j)
	answer(nil)
}

// Delete ends a job.
func (s *source) Delete(id uint64, answer func(error)) {
	s.settle(id, answer, s.q.end)
}

// Release gives a job back.
func (s *source) Release(id uint64, priority uint32, delay time.Duration, answer func(error)) {
	s.settle(id, answer, func(j *job) {
		j.stats.Priority = priority
		j.stats.Releases++
		s.q.offer(j, delay)
	})
}

// GiveBack makes a job ready again.
func (s *source) GiveBack(id uint64, priority uint32, answer func(error)) {
	s.settle(id, answer, func(j *job) {
		j.stats.Priority = priority
		j.stats.Buries++
		j.stats.Kicks++
		s.q.offer(j, 0)
	})
}

// Bury sets a job aside.
func (s *source) Bury(id uint64, priority uint32, answer func(error)) {
	s.settle(id, answer, func(j *job) {
		j.stats.Priority = priority
		j.stats.Buries++
		j.state = queue.Buried
		t := s.q.named(j.queue)
		t.buried = append(t.buried, j)
	})
}

// Touch does nothing to a job that the source has: it has it for as long as it likes.
func (s *source) Touch(id uint64, answer func(error)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if s.has[id] == nil {
		answer(queue.ErrNotFound)
		return
	}
	answer(nil)
}

// Stats tells what is known of a job.
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

// Buried counts the buried jobs.
func (s *source) Buried(answer func(int, error)) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	answer(len(s.q.named(s.name).buried), nil)
}

// Flush does nothing: nothing is kept.
func (s *source) Flush() {}

// Close makes what the source has ready again.
func (s *source) Close() {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.closed = true
	t := s.q.named(s.name)
	for _, w := range slices.Clone(t.waiting) {
		if w.source == s {
			w.stop()
			s.q.giveUp(t, w, queue.ErrStopping)
		}
	}
	for id, j := range s.has {
		delete(s.has, id)
		s.q.offer(j, 0)
	}
}
