package queue

import (
	"context"
	"slices"
	"sync"
	"time"
)

// activeJob is the worker's state of a job, from the reserve until the service has confirmed its end. It outlives its connection
// if the job runs, or has run, when the connection ends.
type activeJob struct {
	Job

	// Set when the job is accepted, never changed.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// onProbation is set if the next job is not begun before this one is proven.
	onProbation bool

	// Owned by Run.
	done      bool      // the handler has called done, or counts as stuck
	err       error     // the error with which it called done
	doneAt    time.Time // when it called done
	finishing bool      // the command that deletes, releases or buries it has been sent
	touching  bool      // a touch has been sent
	suspect   bool      // it is on probation and has had no outcome suspectCrashes times

	// Guarded by pending.mu, like Body, Command and Attempt.
	touched  time.Time // when the service last confirmed that it is reserved by this connection
	admitted bool      // it may begin
	begun    time.Time // zero until then
	yielded  bool      // the command has waited
	returned bool      // the command has returned; its effect is being saved
	timeout  time.Duration
	maxTries int // 0 is Options.MaxAttempts
}

// pending is the FIFO of reserved jobs that have not begun. Run fills it, dispatch empties it.
type pending struct {
	max        int           // upper bound of limit
	staleAfter time.Duration // since the last touch: the service may have given the job to another worker
	wake       chan struct{} // capacity 1; any goroutine sends, dispatch receives

	mu sync.Mutex
	// Guarded by mu.
	jobs      []*activeJob
	limit     int // how many jobs may wait here, so that an urgent one does not wait behind too many; see adapt
	quickRun  int // consecutive jobs that waited less than half of maxAhead
	reducedAt time.Time
}

func (p *pending) add(j *activeJob) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs = append(p.jobs, j)
}

// admit lets a job begin once those before it have begun.
func (p *pending) admit(j *activeJob, attempt int) {
	p.mu.Lock()
	j.Attempt, j.admitted = attempt, true
	p.mu.Unlock()
	p.notify()
}

// remove removes a job and reports whether it was there.
func (p *pending) remove(j *activeJob) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.jobs, j)
	if i < 0 {
		return false
	}
	p.jobs = slices.Delete(p.jobs, i, i+1)
	p.notify()
	return true
}

func (p *pending) removeAll() []*activeJob {
	p.mu.Lock()
	defer p.mu.Unlock()
	jobs := p.jobs
	p.jobs = nil
	return jobs
}

// touch records that the service confirmed that a job is ours.
func (p *pending) touch(j *activeJob, at time.Time) {
	p.mu.Lock()
	j.touched = at
	p.mu.Unlock()
	p.notify()
}

func (p *pending) notify() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// next removes and returns the first job if it may begin, else nil. A job that was not touched for long may have been given to
// another worker: it waits for the next touch.
func (p *pending) next(now time.Time) *activeJob {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.jobs) == 0 {
		return nil
	}
	j := p.jobs[0]
	if !j.admitted || now.Sub(j.touched) > p.staleAfter {
		return nil
	}
	p.jobs[0] = nil
	p.jobs = p.jobs[1:]
	j.begun = now
	p.adapt(now.Sub(j.Fingerprint.First), now)
	return j
}

// adapt halves the limit if jobs wait here longer than maxAhead, and doubles it if they wait much less.
func (p *pending) adapt(waited time.Duration, now time.Time) {
	switch {
	case waited > maxAhead:
		p.quickRun = 0
		if now.Sub(p.reducedAt) > maxAhead { // once for all jobs that waited together
			p.limit, p.reducedAt = max(1, p.limit/2), now
		}
	case waited < maxAhead/2:
		if p.quickRun++; p.quickRun >= p.limit {
			p.limit, p.quickRun = min(p.max, 2*p.limit), 0
		}
	}
}

// room returns how many more jobs may wait.
func (p *pending) room() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit - len(p.jobs)
}

// dispatch hands pending jobs to the handler, one after the other, until ctx ends.
func (w *Worker) dispatch(ctx context.Context) {
	for ctx.Err() == nil {
		j := w.pending.next(time.Now())
		if j == nil {
			select {
			case <-w.pending.wake:
			case <-ctx.Done():
			}
			continue
		}
		w.begin(j)
	}
}

// begin reads the body of a job and hands the job to the handler.
func (w *Worker) begin(j *activeJob) {
	text := j.Body
	j.Body = nil
	read, err := ReadBody(text, w.options.Map)
	if err != nil {
		w.post(func() { w.jobDone(j, err) })
		return
	}
	w.pending.mu.Lock()
	j.Command = read.Command
	if read.timeout > 0 {
		j.timeout = read.timeout
	}
	j.maxTries = read.maxTries
	job := j.Job
	w.pending.mu.Unlock()
	job.Queue = w.options.Name
	job.Body, job.Arguments, job.Unknown = read.Body, read.Arguments, read.Unknown // not kept in j, which may be remembered for long
	job.SetCommand = func(command string) {
		w.pending.mu.Lock()
		defer w.pending.mu.Unlock()
		j.Command = command
		w.monitor.update(func(s *Status) { s.Taken++ })
	}
	job.Returned = func() { w.progress(j, &j.returned) }
	if j.onProbation {
		job.Yielded = func() { w.progress(j, &j.yielded) }
	}
	if read.Unknown == nil {
		w.monitor.update(func(s *Status) { s.Taken++ })
	}
	w.handler.Job(j.ctx, job, func(err error) {
		w.post(func() { w.jobDone(j, err) })
	})
}
