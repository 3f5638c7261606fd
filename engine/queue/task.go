package queue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"perigee/engine/queue/body"
)

// task is a job from the moment it is reserved until the service has confirmed what became of it. It outlives the
// connection when it runs, or has run, while the connection ends.
type task struct {
	// Set when it arrives, never changed.
	id     uint64
	hash   uint64    // of the body: a service that lost its jobs gives the same numbers to others
	first  time.Time // when it was reserved first
	ctx    context.Context
	cancel context.CancelCauseFunc

	// Owned by Run.
	over     bool      // the handler is done, or is not waited for any more
	err      error     // what it was done with
	ended    time.Time // when
	settling bool      // the command that settles it is under way
	touching bool

	// Guarded by line.mu.
	text     []byte // until it is begun
	attempt  int
	touched  time.Time // when the service was last known to count it as ours
	cleared  bool      // it may be begun
	begun    time.Time // zero until then
	returned bool      // the command has returned: what it changed is being made safe
	command  string
	timeout  time.Duration
	maxTries int
}

// line is where jobs wait to be begun, in the order of the queue. Run fills it, begin empties it.
type line struct {
	most int           // that ahead may grow to
	wake chan struct{} // capacity 1; any goroutine sends, begin receives

	mu sync.Mutex
	// Guarded by mu.
	tasks  []*task
	ahead  int // how many may wait here, so that an urgent job does not wait behind too many
	quick  int // jobs in a row that waited less than half of maxAhead
	shrunk time.Time
}

// add puts a job at the end.
func (l *line) add(t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, t)
}

// clear lets a job begin, as soon as those in front of it have begun.
func (l *line) clear(t *task, attempt int) {
	l.mu.Lock()
	t.attempt, t.cleared = attempt, true
	l.mu.Unlock()
	l.nudge()
}

// drop takes a job out and tells whether it was there.
func (l *line) drop(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.tasks, t)
	if i < 0 {
		return false
	}
	l.tasks = slices.Delete(l.tasks, i, i+1)
	l.nudge()
	return true
}

// empty takes all jobs out.
func (l *line) empty() []*task {
	l.mu.Lock()
	defer l.mu.Unlock()
	tasks := l.tasks
	l.tasks = nil
	return tasks
}

// touch notes that the service counts a job as ours.
func (l *line) touch(t *task, at time.Time) {
	l.mu.Lock()
	t.touched = at
	l.mu.Unlock()
	l.nudge()
}

// returned notes that a command has returned.
func (l *line) returned(t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.returned = true
}

func (l *line) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next takes the first job if it may begin. One that nobody has touched for long may be somebody else's by now: it waits
// for the next touch.
func (l *line) next(now time.Time) *task {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tasks) == 0 {
		return nil
	}
	t := l.tasks[0]
	if !t.cleared || now.Sub(t.touched) > staleAfter {
		return nil
	}
	l.tasks[0] = nil
	l.tasks = l.tasks[1:]
	t.begun = now
	l.pace(now.Sub(t.first), now)
	return t
}

// pace lets fewer jobs wait here when they wait long, and more when they do not.
func (l *line) pace(waited time.Duration, now time.Time) {
	switch {
	case waited > maxAhead:
		l.quick = 0
		if now.Sub(l.shrunk) > maxAhead { // once for all that waited together
			l.ahead, l.shrunk = max(1, l.ahead/2), now
		}
	case waited < maxAhead/2:
		if l.quick++; l.quick >= l.ahead {
			l.ahead, l.quick = min(l.most, 2*l.ahead), 0
		}
	}
}

// room is how many jobs more may wait.
func (l *line) room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ahead - len(l.tasks)
}

// begin hands jobs to the handler, one after the other, until ctx ends.
func (w *Worker) begin(ctx context.Context) {
	for ctx.Err() == nil {
		t := w.line.next(time.Now())
		if t == nil {
			select {
			case <-w.line.wake:
			case <-ctx.Done():
			}
			continue
		}
		w.perform(t)
	}
}

// perform reads a job and hands it over.
func (w *Worker) perform(t *task) {
	text := t.text
	t.text = nil
	b, err := body.Parse(text)
	if err != nil {
		w.post(func() { w.finished(t, fmt.Errorf("%w: %w", errUnreadable, err)) })
		return
	}
	w.line.mu.Lock()
	t.command = w.options.command(b)
	if b.Timeout > 0 {
		t.timeout = b.Timeout
	}
	t.maxTries = b.MaxTries
	job := Job{
		ID: t.id, Command: t.command, Arguments: b.Arguments, Attempt: t.attempt,
		Fingerprint: Fingerprint{ID: t.id, Hash: t.hash, First: t.first},
		Returned:    func() { w.line.returned(t) },
	}
	w.line.mu.Unlock()
	w.record.note(func(s *Status) { s.Taken++ })
	w.handler.Job(t.ctx, job, func(err error) {
		w.post(func() { w.finished(t, err) })
	})
}
