package persist

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"perigee/engine/queue"
)

// AppliedJobs are the jobs whose effect is in the state and whose deletion the queue has not confirmed. They are saved with
// the state, so that after a crash the worker deletes them instead of running them again. It is safe for concurrent use.
type AppliedJobs struct {
	mu   sync.Mutex
	jobs map[uint64]queue.Fingerprint // guarded by mu
}

// restore adds the jobs that encode wrote.
func (a *AppliedJobs) restore(text []byte) error {
	var jobs []queue.Fingerprint
	if len(text) > 0 {
		if err := json.Unmarshal(text, &jobs); err != nil {
			return err
		}
	}
	for _, job := range jobs {
		a.add(job)
	}
	return nil
}

// encode returns jobs as JSON, or nil if there are none.
func encode(jobs []queue.Fingerprint) ([]byte, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	return json.Marshal(jobs)
}

// add adds a job that has run.
func (a *AppliedJobs) add(job queue.Fingerprint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.jobs == nil {
		a.jobs = map[uint64]queue.Fingerprint{}
	}
	a.jobs[job.ID] = job
}

// Remove removes a job that cannot be delivered again.
func (a *AppliedJobs) Remove(id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.jobs, id)
}

// Clear removes all jobs.
func (a *AppliedJobs) Clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.jobs)
}

// List returns the jobs, sorted by ID.
func (a *AppliedJobs) List() []queue.Fingerprint {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(maps.Values(a.jobs), func(a, b queue.Fingerprint) int { return cmp.Compare(a.ID, b.ID) })
}
