// Package memory owns a queue in this process, for machines without beanstalkd. It must not know what a job does. The jobs are
// lost when the process ends. The queue behaves like beanstalkd in the order, the states and the counters of jobs, with three
// exceptions: only this process can put jobs, delays need not be whole seconds, and a reserved job stays reserved until it is
// deleted, released or buried, or its source is closed.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"perigee/engine/loop"
	"perigee/engine/priority"
	"perigee/engine/queue"
)

// Bounds, against a script that puts jobs endlessly.
const (
	maxJobs   = 100_000
	maxBody   = 65_535   // bytes, as in beanstalkd
	maxBodies = 64 << 20 // bytes of all bodies: an eighth of the scripts' default memory limit
)

// Errors of Put.
var (
	ErrFull   = fmt.Errorf("memory: the queue is full: it holds at most %d jobs and %d MiB", maxJobs, maxBodies>>20)
	ErrTooBig = fmt.Errorf("memory: the job is larger than %d bytes", maxBody)
)

// reserved is the state of jobs reserved by a source; Peek does not support it.
const reserved queue.State = "reserved"

var (
	_ queue.Driver   = (*Queue)(nil)
	_ queue.Producer = (*Queue)(nil)
	_ queue.Admin    = (*Queue)(nil)
)

// Queue holds the jobs of all queues. It is safe for concurrent use.
type Queue struct {
	clock loop.Clock // set by New, never changed

	mu sync.Mutex
	// Guarded by mu.
	queues map[string]*namedQueue // by name
	jobs   map[uint64]*job
	size   int    // bytes of all bodies
	lastID uint64 // the last ID assigned
}

type namedQueue struct {
	ready   priority.Heap[*job]
	buried  []*job    // in the order in which they were buried
	waiting []*waiter // reserves that wait for a job
}

type job struct {
	id    uint64
	body  []byte
	queue string
	state queue.State
	stats queue.Stats
	put   time.Time
	due   time.Time   // when a delayed job becomes ready
	stop  func() bool // stops the timer of a delayed job
	index int         // in namedQueue.ready
}

// Before implements priority.Item: the more urgent job is the first, then the older one.
func (j *job) Before(other *job) bool {
	return cmp.Or(cmp.Compare(j.stats.Priority, other.stats.Priority), cmp.Compare(j.id, other.id)) < 0
}

// Place implements priority.Item.
func (j *job) Place() *int { return &j.index }

// New returns an empty queue that measures delays with a clock.
func New(clock loop.Clock) *Queue {
	return &Queue{clock: clock, queues: map[string]*namedQueue{}, jobs: map[uint64]*job{}}
}

// Put puts a job. The error is ErrFull or ErrTooBig. The TTR is ignored.
func (q *Queue) Put(_ context.Context, r queue.PutRequest) (uint64, error) {
	if len(r.Body) > maxBody {
		return 0, ErrTooBig
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) >= maxJobs || q.size+len(r.Body) > maxBodies {
		return 0, ErrFull
	}
	q.lastID++
	j := &job{id: q.lastID, body: slices.Clone(r.Body), queue: r.Queue, put: q.clock.Now()}
	j.stats.Queue, j.stats.Priority = r.Queue, r.Priority
	q.jobs[j.id] = j
	q.size += len(j.body)
	q.enqueue(j, r.Delay)
	return j.id, nil
}

// Close does nothing: the jobs remain.
func (q *Queue) Close() error { return nil }

// named returns the queue with a name. mu must be held.
func (q *Queue) named(name string) *namedQueue {
	n := q.queues[name]
	if n == nil {
		n = &namedQueue{}
		q.queues[name] = n
	}
	return n
}

// drop removes a job for good. mu must be held.
func (q *Queue) drop(j *job) {
	delete(q.jobs, j.id)
	q.size -= len(j.body)
}

// enqueue makes a job ready, after a delay if there is one. mu must be held.
func (q *Queue) enqueue(j *job, delay time.Duration) {
	if delay > 0 {
		j.state, j.due = queue.Delayed, q.clock.Now().Add(delay)
		j.stop = q.clock.AfterFunc(delay, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if j.state == queue.Delayed && !q.clock.Now().Before(j.due) {
				q.enqueue(j, 0)
			}
		})
		return
	}
	j.state = queue.Ready
	n := q.named(j.queue)
	n.ready.Push(j)
	for len(n.waiting) > 0 && len(n.ready) > 0 {
		w := n.waiting[0]
		n.waiting = n.waiting[1:]
		w.stop()
		w.answer(w.source.take(n), nil)
	}
}

// remove removes a job from its state. mu must be held.
func (q *Queue) remove(j *job) {
	n := q.named(j.queue)
	switch j.state {
	case queue.Ready:
		n.ready.Remove(j)
	case queue.Delayed:
		j.stop()
	case queue.Buried:
		i := slices.Index(n.buried, j)
		n.buried = slices.Delete(n.buried, i, i+1)
	}
	j.state = ""
}

// statsOf returns the stats of a job. mu must be held.
func (q *Queue) statsOf(j *job) queue.Stats {
	s := j.stats
	s.State = string(j.state)
	s.Age = q.clock.Now().Sub(j.put).Truncate(time.Second)
	return s
}
