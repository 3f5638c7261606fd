package memory

import (
	"context"
	"slices"

	"perigee/engine/queue"
)

// Counts counts the jobs of a queue.
func (q *Queue) Counts(_ context.Context, name string) (queue.Counts, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.names[name]
	if t == nil {
		return queue.Counts{}, nil
	}
	counts := queue.Counts{Ready: len(t.ready), Buried: len(t.buried), Waiting: len(t.waiting)}
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

// Left counts the jobs of all queues, and those of them that are delayed or buried: they end with the process.
func (q *Queue) Left() (all, delayed, buried int) {
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

// Peek returns the next job of a state.
func (q *Queue) Peek(_ context.Context, name string, state queue.State) (queue.Peeked, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.names[name]
	if t == nil {
		return queue.Peeked{}, queue.ErrNotFound
	}
	switch {
	case state == queue.Ready && len(t.ready) > 0:
		return q.peeked(t.ready[0]), nil
	case state == queue.Buried && len(t.buried) > 0:
		return q.peeked(t.buried[0]), nil
	case state == queue.Delayed:
		if delayed := q.delayed(name); len(delayed) > 0 {
			return q.peeked(delayed[0]), nil
		}
	}
	return queue.Peeked{}, queue.ErrNotFound
}

// delayed returns the delayed jobs of a queue, the next first. mu is held.
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

// peeked is a job as Peek returns it. mu is held.
func (q *Queue) peeked(j *job) queue.Peeked {
	return queue.Peeked{Reserved: queue.Reserved{ID: j.id, Body: slices.Clone(j.body)}, Stats: q.statsOf(j)}
}

// Job returns a job by its number.
func (q *Queue) Job(_ context.Context, id uint64) (queue.Peeked, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[id]
	if j == nil {
		return queue.Peeked{}, queue.ErrNotFound
	}
	return q.peeked(j), nil
}

// Kick makes up to n jobs ready: buried ones, or delayed ones where none is buried.
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

// KickJob makes one job ready.
func (q *Queue) KickJob(_ context.Context, id uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[id]
	if j == nil || j.state != queue.Buried && j.state != queue.Delayed {
		return queue.ErrNotFound
	}
	q.kick(j)
	return nil
}

// kick makes a job ready. mu is held.
func (q *Queue) kick(j *job) {
	q.remove(j)
	j.stats.Kicks++
	q.offer(j, 0)
}

// Delete removes a job that no source has.
func (q *Queue) Delete(_ context.Context, id uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[id]
	if j == nil || j.state == reserved {
		return queue.ErrNotFound
	}
	q.remove(j)
	q.end(j)
	return nil
}
