package queue

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Status is how a worker is doing.
type Status struct {
	// Connected tells whether the service answers; Since when it does or does not, and Reason why not.
	Connected bool
	Since     time.Time
	Reason    string
	// Short is Reason in a few words that name no address, for those who are no operators.
	Short string
	Tally
}

// Tally is what a worker has counted since its start.
type Tally struct {
	Taken     uint64         // jobs that were handed to the handler
	Done      uint64         // jobs that ran and were deleted
	Released  uint64         // failed, to be tried again
	Buried    uint64         // failed for good
	BuriedFor [causes]uint64 // of those, by Cause
	GivenBack uint64         // reserved but not begun or not ended when the worker stopped
	Repeated  uint64         // came again although they had run, and were deleted without running
	Lost      uint64         // connections that ended unasked
	// Held are the jobs in hand now.
	Held int
}

// Add adds what another worker has counted, and has in hand.
func (t *Tally) Add(other Tally) {
	t.Taken += other.Taken
	t.Done += other.Done
	t.Released += other.Released
	t.Buried += other.Buried
	for i, n := range other.BuriedFor {
		t.BuriedFor[i] += n
	}
	t.GivenBack += other.GivenBack
	t.Repeated += other.Repeated
	t.Lost += other.Lost
	t.Held += other.Held
}

// Failure is a job that failed.
type Failure struct {
	ID      uint64
	Command string // "" where the body could not be read
	Attempt int
	Reason  string
	Time    time.Time
	Buried  bool // else it was released, and is tried again
}

// record is what a worker tells of itself.
type record struct {
	mu sync.Mutex
	// Guarded by mu.
	status   Status
	failures []Failure // the last maxFailures, the oldest first
}

// note changes the status.
func (r *record) note(change func(s *Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

// fail notes a failure; why counts where the job is buried.
func (r *record) fail(f Failure, why Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) == maxFailures {
		r.failures = slices.Delete(r.failures, 0, 1)
	}
	r.failures = append(r.failures, f)
	if f.Buried {
		r.status.Buried++
		r.status.BuriedFor[why]++
	} else {
		r.status.Released++
	}
}

// Status tells how the worker is doing. Any goroutine may call it.
func (w *Worker) Status() Status {
	w.record.mu.Lock()
	defer w.record.mu.Unlock()
	return w.record.status
}

// Failed returns the last failures, the oldest first. Any goroutine may call it.
func (w *Worker) Failed() []Failure {
	w.record.mu.Lock()
	defer w.record.mu.Unlock()
	return slices.Clone(w.record.failures)
}

// notAsked is the Reason before the first answer, and connecting is short for it.
const (
	notAsked   = "it has not been asked yet"
	connecting = "connecting"
)

// short returns why there is no connection, in a few words.
func short(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "no such host"
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, end) {
			return "connection closed"
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "no answer"
	}
	return "not connected"
}
