package queue_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/queue"
	"perigee/engine/queue/memory"
)

// strange is a driver whose sources do what a test says instead of what sources do; nil is as usual.
type strange struct {
	*memory.Queue
	open   func() error
	touch  func(id uint64, answer func(error))
	del    func(s queue.Source, id uint64, answer func(error))
	back   func(answer func(error))
	stats  func(s queue.Source, id uint64, answer func(queue.Stats, error))
	buried func(answer func(int, error))
	late   atomic.Bool // jobs are handed over a second after they are reserved

	last   atomic.Pointer[strangeSource] // that was opened
	closed atomic.Int64                  // sources
}

type strangeSource struct {
	queue.Source
	d *strange

	mu   sync.Mutex
	lost bool                        // guarded by mu
	wait func(queue.Reserved, error) // guarded by mu; of the last Reserve that waits
}

func (d *strange) Open(ctx context.Context, name string) (queue.Source, error) {
	if d.open != nil {
		if err := d.open(); err != nil {
			return nil, err
		}
	}
	source, err := d.Queue.Open(ctx, name)
	s := &strangeSource{Source: source, d: d}
	d.last.Store(s)
	return s, err
}

// cut ends the connection that was opened last.
func (d *strange) cut() {
	s := d.last.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
	if s.wait != nil {
		s.wait(queue.Reserved{}, errCut)
	}
}

func (s *strangeSource) Reserve(wait time.Duration, answer func(queue.Reserved, error)) {
	var once sync.Once
	said := func(r queue.Reserved, err error) { once.Do(func() { answer(r, err) }) }
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost {
		said(queue.Reserved{}, errCut)
		return
	}
	s.wait = said
	s.Source.Reserve(wait, func(r queue.Reserved, err error) {
		if err == nil && s.d.late.Load() {
			time.AfterFunc(time.Second, func() { said(r, err) })
			return
		}
		said(r, err)
	})
}

func (s *strangeSource) Touch(id uint64, answer func(error)) {
	if s.d.touch == nil {
		s.Source.Touch(id, answer)
		return
	}
	s.d.touch(id, answer)
}

func (s *strangeSource) Delete(id uint64, answer func(error)) {
	if s.d.del == nil {
		s.Source.Delete(id, answer)
		return
	}
	s.d.del(s.Source, id, answer)
}

func (s *strangeSource) GiveBack(id uint64, priority uint32, answer func(error)) {
	if s.d.back == nil {
		s.Source.GiveBack(id, priority, answer)
		return
	}
	s.d.back(answer)
}

func (s *strangeSource) Stats(id uint64, answer func(queue.Stats, error)) {
	if s.d.stats == nil {
		s.Source.Stats(id, answer)
		return
	}
	s.d.stats(s.Source, id, answer)
}

func (s *strangeSource) Buried(answer func(int, error)) {
	if s.d.buried == nil {
		s.Source.Buried(answer)
		return
	}
	s.d.buried(answer)
}

func (s *strangeSource) Close() {
	s.d.closed.Add(1)
	s.Source.Close()
}

// runs counts jobs by their command.
type runs struct {
	mu sync.Mutex
	by map[string]int // guarded by mu
}

// succeed has every job done at once.
func (r *runs) succeed(_ context.Context, j queue.Job, done func(error)) {
	r.mu.Lock()
	if r.by == nil {
		r.by = map[string]int{}
	}
	r.by[j.Command]++
	r.mu.Unlock()
	done(nil)
}

func (r *runs) of(command string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.by[command]
}

// fail has no job go well.
func fail(_ context.Context, _ queue.Job, done func(error)) { done(errors.New("it is broken")) }
