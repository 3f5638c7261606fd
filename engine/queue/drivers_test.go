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

// stubDriver is a driver on a queue in memory whose methods a test can replace.
type stubDriver struct {
	*memory.Queue
	open   func() error
	touch  func(id uint64, answer func(error))
	del    func(s queue.Source, id uint64, answer func(error))
	back   func(answer func(error))
	stats  func(s queue.StatsSource, id uint64, answer func(queue.Stats, error))
	buried func(answer func(int, error))
	late   atomic.Bool // reserves are answered a second late

	last   atomic.Pointer[stubSource] // the last source opened
	closed atomic.Int64               // sources
}

type stubSource struct {
	queue.StatsSource
	d *stubDriver

	mu   sync.Mutex
	lost bool                   // guarded by mu
	wait func(queue.Job, error) // guarded by mu; answers the last Reserve
}

func (d *stubDriver) Open(ctx context.Context, name string) (queue.Source, error) {
	if d.open != nil {
		if err := d.open(); err != nil {
			return nil, err
		}
	}
	source, err := d.Queue.Open(ctx, name)
	s := &stubSource{StatsSource: source.(queue.StatsSource), d: d}
	d.last.Store(s)
	return s, err
}

// cut cuts the connection that was opened last.
func (d *stubDriver) cut() {
	s := d.last.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
	if s.wait != nil {
		s.wait(queue.Job{}, errCut)
	}
}

func (s *stubSource) Reserve(wait time.Duration, answer func(queue.Job, error)) {
	var once sync.Once
	answerOnce := func(r queue.Job, err error) { once.Do(func() { answer(r, err) }) }
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost {
		answerOnce(queue.Job{}, errCut)
		return
	}
	s.wait = answerOnce
	s.StatsSource.Reserve(wait, func(r queue.Job, err error) {
		if err == nil && s.d.late.Load() {
			time.AfterFunc(time.Second, func() { answerOnce(r, err) })
			return
		}
		answerOnce(r, err)
	})
}

func (s *stubSource) Touch(id uint64, answer func(error)) {
	if s.d.touch == nil {
		s.StatsSource.Touch(id, answer)
		return
	}
	s.d.touch(id, answer)
}

func (s *stubSource) Delete(id uint64, answer func(error)) {
	if s.d.del == nil {
		s.StatsSource.Delete(id, answer)
		return
	}
	s.d.del(s.StatsSource, id, answer)
}

func (s *stubSource) GiveBack(id uint64, priority uint32, answer func(error)) {
	if s.d.back == nil {
		s.StatsSource.GiveBack(id, priority, answer)
		return
	}
	s.d.back(answer)
}

func (s *stubSource) Stats(id uint64, answer func(queue.Stats, error)) {
	if s.d.stats == nil {
		s.StatsSource.Stats(id, answer)
		return
	}
	s.d.stats(s.StatsSource, id, answer)
}

func (s *stubSource) Buried(answer func(int, error)) {
	if s.d.buried == nil {
		s.StatsSource.Buried(answer)
		return
	}
	s.d.buried(answer)
}

func (s *stubSource) Close() {
	s.d.closed.Add(1)
	s.StatsSource.Close()
}

// runs counts runs by command.
type runs struct {
	mu sync.Mutex
	by map[string]int // guarded by mu
}

// succeed is a handler that succeeds at once.
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

// fail is a handler that fails.
func fail(_ context.Context, _ queue.Job, done func(error)) { done(errors.New("it is broken")) }
