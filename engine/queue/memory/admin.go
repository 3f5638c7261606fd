package memory

import (
	"context"
	"slices"

	"perigee/engine/queue"
)

// Counts implements queue.Admin.
func (q *Queue) Counts(_ context.Context, name string) (queue.Counts, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.queues[name]
	if n == nil {
		return queue.Counts{}, nil
	}
	counts := queue.Counts{Ready: len(n.ready), Buried: len(n.buried), Waiting: len(n.waiting)}
	for _, j := range q.jobs {
		switch {
		case j.queue != name:
		case j.state == queue.Delayed:
			counts.Delayed++
		case j.state == reserved:
			counts.Reserved++
		case j.state == queue.Ready && j.stats.Priority < queue.DefaultPriority:
			counts.Urgent++
		}
	}
	return counts, nil
}

// Remaining counts the jobs of all queues, and those of them that are delayed or buried.
func (q *Queue) Remaining() (all, delayed, buried int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.jobs {
		switch j.state {
		case queue.Delayed:
			delayed++
		case queue.Buried:
			buried++
		}
	}
	return len(q.jobs), delayed, buried
}

// Peek implements queue.Admin.
func (q *Queue) Peek(_ context.Context, name string, state queue.State) (queue.Job, queue.Stats, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.queues[name]
	if n == nil {
		return queue.Job{}, queue.Stats{}, queue.ErrNotFound
	}
	switch {
	case state == queue.Ready && len(n.ready) > 0:
		return q.peek(n.ready[0])
	case state == queue.Buried && len(n.buried) > 0:
		return q.peek(n.buried[0])
	case state == queue.Delayed:
		if delayed := q.delayed(name); len(delayed) > 0 {
			return q.peek(delayed[0])
		}
	}
	return queue.Job{}, queue.Stats{}, queue.ErrNotFound
}

// delayed returns the delayed jobs of a queue, the first to become ready first. mu must be held.
func (q *Queue) delayed(name string) []*job {
	var delayed []*job
	for _, j := range q.jobs {
		if j.queue == name && j.state == queue.Delayed {
			delayed = append(delayed, j)
		}
	}
	slices.SortFunc(delayed, func(a, b *job) int { return a.due.Compare(b.due) })
	return delayed
}

// peek returns a job and its stats. mu must be held.
func (q *Queue) peek(j *job) (queue.Job, queue.Stats, error) {
	return queue.Job{ID: j.id, Body: slices.Clone(j.body)}, q.statsOf(j), nil
}

// PeekJob implements queue.Admin.
func (q *Queue) PeekJob(_ context.Context, _ string, id uint64) (queue.Job, queue.Stats, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[id]
	if j == nil {
		return queue.Job{}, queue.Stats{}, queue.ErrNotFound
	}
	return q.peek(j)
}

// Kick implements queue.Admin.
func (q *Queue) Kick(_ context.Context, name string, n int) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs := slices.Clone(q.named(name).buried)
	if len(jobs) == 0 {
		jobs = q.delayed(name)
	}
	jobs = jobs[:min(max(n, 0), len(jobs))]
	for _, j := range jobs {
		q.kick(j)
	}
	return len(jobs), nil
}

// KickJob implements queue.Admin.
func (q *Queue) KickJob(_ context.Context, _ string, id uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[id]
	if j == nil || j.state != queue.Buried && j.state != queue.Delayed {
		return queue.ErrNotFound
	}
	q.kick(j)
	return nil
}

// kick makes a job ready. mu must be held.
func (q *Queue) kick(j *job) {
	q.remove(j)
	j.stats.Kicks++
	j.stats.Reason = ""
	q.enqueue(j, 0)
}

// Delete implements queue.Admin.
func (q *Queue) Delete(_ context.Context, _ string, id uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[id]
	if j == nil || j.state == reserved {
		return queue.ErrNotFound
	}
	q.remove(j)
	q.drop(j)
	return nil
}
