package persist

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	"perigee/engine/queue"
)

// Ledger has the jobs whose effect the state holds and whose deletion the queue has not confirmed. It is saved with the
// state, so that after a crash what has taken effect is deleted and not run again. Any goroutine may use it.
type Ledger struct {
	mu   sync.Mutex
	jobs map[uint64]queue.Ran // guarded by mu
}

// restore adds what text returned.
func (l *Ledger) restore(text []byte) error {
	var jobs []queue.Ran
	if len(text) > 0 {
		if err := json.Unmarshal(text, &jobs); err != nil {
			return err
		}
	}
	for _, job := range jobs {
		l.add(job)
	}
	return nil
}

// text is a list as JSON; nil where it is empty.
func text(jobs []queue.Ran) ([]byte, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	return json.Marshal(jobs)
}

// add notes a job that has run.
func (l *Ledger) add(job queue.Ran) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.jobs == nil {
		l.jobs = map[uint64]queue.Ran{}
	}
	l.jobs[job.ID] = job
}

// Remove strikes out a job that cannot come again.
func (l *Ledger) Remove(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.jobs, id)
}

// Clear strikes out all.
func (l *Ledger) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.jobs)
}

// List returns the jobs by number.
func (l *Ledger) List() []queue.Ran {
	l.mu.Lock()
	defer l.mu.Unlock()
	jobs := make([]queue.Ran, 0, len(l.jobs))
	for _, job := range l.jobs {
		jobs = append(jobs, job)
	}
	slices.SortFunc(jobs, func(a, b queue.Ran) int { return cmp.Compare(a.ID, b.ID) })
	return jobs
}
