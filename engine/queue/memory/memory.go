// Package memory is a queue without a service: jobs live in this process and are lost with it. It is for
// machines without beanstalkd. It behaves as beanstalkd does, in the order of jobs, their states and what is counted of
// them, but for three things: nobody but this process can put jobs, delays need not be whole seconds, and a job that is
// reserved stays so until it is settled or its source ends, however long that takes.
package memory

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"perigee/engine/loop"
	"perigee/engine/queue"
)

// Bounds, against a script that puts without end.
const (
	maxJobs   = 100_000
	maxBody   = 65_535   // bytes, as in beanstalkd
	maxBodies = 64 << 20 // bytes of all of them: an eighth of what the scripts may have by default
)

// Errors of Put.
var (
	ErrFull   = fmt.Errorf("memory: the queue is full: it holds %d jobs, of %d MiB", maxJobs, maxBodies>>20)
	ErrTooBig = fmt.Errorf("memory: the job is larger than %d bytes", maxBody)
)

// reserved is the state of jobs that a source has; nobody can look for those.
const reserved queue.State = "reserved"

var (
	_ queue.Driver   = (*Queue)(nil)
	_ queue.Producer = (*Queue)(nil)
	_ queue.Admin    = (*Queue)(nil)
)

// Queue holds the jobs of all queues. Any goroutine may use it.
type Queue struct {
	clock loop.Clock // set by New, never changed

	mu sync.Mutex
	// Guarded by mu.
	names map[string]*named
	jobs  map[uint64]*job
	size  int    // of the bodies of jobs, in bytes
	last  uint64 // number that was given out
}

// named is the queue of one name.
type named struct {
	ready   ready
	buried  []*job    // in the order in which they were buried
	waiting []*waiter // sources that wait for a job
}

// job is one of them.
type job struct {
	id    uint64
	body  []byte
	queue string
	state queue.State
	stats queue.Stats
	put   time.Time
	due   time.Time // of a delayed one
	stop  func() bool
}

// ready is a heap of jobs, the most urgent and among those the oldest first.
type ready []*job

func (r ready) Len() int      { return len(r) }
func (r ready) Swap(i, j int) { r[i], r[j] = r[j], r[i] }
func (r ready) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(r[i].stats.Priority, r[j].stats.Priority), cmp.Compare(r[i].id, r[j].id)) < 0
}

func (r *ready) Push(x any) { *r = append(*r, x.(*job)) }

func (r *ready) Pop() any {
	last := len(*r) - 1
	j := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	return j
}

// New returns a queue without jobs whose delays are of a clock.
func New(clock loop.Clock) *Queue {
	return &Queue{clock: clock, names: map[string]*named{}, jobs: map[uint64]*job{}}
}

// Put puts a job. The error is ErrFull or ErrTooBig. TTR means nothing here.
func (q *Queue) Put(_ context.Context, p queue.Put) (uint64, error) {
	if len(p.Body) > maxBody {
		return 0, ErrTooBig
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) >= maxJobs || q.size+len(p.Body) > maxBodies {
		return 0, ErrFull
	}
	q.last++
	j := &job{id: q.last, body: slices.Clone(p.Body), queue: p.Queue, put: q.clock.Now()}
	j.stats.Queue, j.stats.Priority = p.Queue, p.Priority
	q.jobs[j.id] = j
	q.size += len(j.body)
	q.offer(j, p.Delay)
	return j.id, nil
}

// Close does nothing: the jobs stay.
func (q *Queue) Close() error { return nil }

// named returns the queue of a name. mu is held.
func (q *Queue) named(name string) *named {
	t := q.names[name]
	if t == nil {
		t = &named{}
		q.names[name] = t
	}
	return t
}

// end forgets a job. mu is held.
func (q *Queue) end(j *job) {
	delete(q.jobs, j.id)
	q.size -= len(j.body)
}

// offer makes a job ready, or delayed and then ready. mu is held.
func (q *Queue) offer(j *job, delay time.Duration) {
	if delay > 0 {
		j.state, j.due = queue.Delayed, q.clock.Now().Add(delay)
		j.stop = q.clock.AfterFunc(delay, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if j.state == queue.Delayed && !q.clock.Now().Before(j.due) {
				q.offer(j, 0)
			}
		})
		return
	}
	j.state = queue.Ready
	t := q.named(j.queue)
	heap.Push(&t.ready, j)
	for len(t.waiting) > 0 && len(t.ready) > 0 {
		w := t.waiting[0]
		t.waiting = t.waiting[1:]
		w.stop()
		w.answer(w.source.take(t), nil)
	}
}

// remove takes a job out of wherever it is. mu is held.
func (q *Queue) remove(j *job) {
	t := q.named(j.queue)
	switch j.state {
	case queue.Ready:
		heap.Remove(&t.ready, slices.Index(t.ready, j))
	case queue.Delayed:
		j.stop()
	case queue.Buried:
		i := slices.Index(t.buried, j)
		t.buried = slices.Delete(t.buried, i, i+1)
	}
	j.state = ""
}

// statsOf returns what is known of a job. mu is held.
func (q *Queue) statsOf(j *job) queue.Stats {
	s := j.stats
	s.State = string(j.state)
	s.Age = q.clock.Now().Sub(j.put).Truncate(time.Second)
	return s
}
