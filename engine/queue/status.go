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

// Status is the state of a worker.
type Status struct {
	// Connected reports whether the service answers; Since is when that changed, and Reason why it does not answer.
	Connected bool
	Since     time.Time
	Reason    string
	// Summary is Reason in a few words without addresses, for anyone who is not an operator.
	Summary string
	Counters
}

// Counters count the events of a worker since it started.
type Counters struct {
	Taken           uint64              // jobs whose command is known, handed to the handler
	Done            uint64              // jobs that ran and were deleted
	Released        uint64              // attempts that failed, after which the job is tried again
	Buried          uint64              // jobs buried
	BuriedFor       [buryReasons]uint64 // of those, by BuryReason
	GivenBack       uint64              // jobs that had not begun or not ended when the worker stopped
	Redelivered     uint64              // jobs delivered again after they had run, and deleted without running
	ConnectionsLost uint64              // connections that the worker did not close
	// Held are the jobs held now.
	Held int
}

// Add adds the counters of another worker.
func (c *Counters) Add(other Counters) {
	c.Taken += other.Taken
	c.Done += other.Done
	c.Released += other.Released
	c.Buried += other.Buried
	for i, n := range other.BuriedFor {
		c.BuriedFor[i] += n
	}
	c.GivenBack += other.GivenBack
	c.Redelivered += other.Redelivered
	c.ConnectionsLost += other.ConnectionsLost
	c.Held += other.Held
}

// BuryReason is why a job was buried.
type BuryReason uint8

// The reasons.
const (
	BuryAttempts       BuryReason = iota // its last attempt failed
	BuryUnreadable                       // its body cannot be read
	BuryUnknownCommand                   // its command is not registered
	BuryPermanent                        // its handler returned a permanent error
	BuryCrashes                          // it may be what crashes the process
	BuryService                          // the service buried it instead of releasing it
	buryReasons                          // how many there are
)

// String returns the reason as the metrics name it.
func (r BuryReason) String() string {
	return [buryReasons]string{
		BuryAttempts:       "attempts",
		BuryUnreadable:     "unreadable",
		BuryUnknownCommand: "unknown_command",
		BuryPermanent:      "never",
		BuryCrashes:        "crashes",
		BuryService:        "service",
	}[r]
}

// buryReason returns the reason for which a job with an error is buried.
func buryReason(err error) BuryReason {
	switch {
	case errors.Is(err, errCrashes):
		return BuryCrashes
	case errors.Is(err, ErrBuried):
		return BuryService
	case errors.Is(err, ErrUnreadable):
		return BuryUnreadable
	case errors.Is(err, ErrUnknownCommand):
		return BuryUnknownCommand
	case errors.Is(err, ErrPermanent):
		return BuryPermanent
	default:
		return BuryAttempts
	}
}

// Failure is an attempt of a job that failed.
type Failure struct {
	ID      uint64
	Command string // "" if the body could not be read
	Attempt int
	Reason  string
	Time    time.Time
	Buried  bool // else the job is tried again
}

// monitor holds the status and the last failures of a worker, for any goroutine.
type monitor struct {
	mu sync.Mutex
	// Guarded by mu.
	status   Status
	failures []Failure // the last MaxFailures, oldest first
}

func (m *monitor) update(change func(s *Status)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.status)
}

// addFailure adds and counts a failure; reason matters only if the job is buried.
func (m *monitor) addFailure(f Failure, reason BuryReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.failures) == MaxFailures {
		m.failures = slices.Delete(m.failures, 0, 1)
	}
	m.failures = append(m.failures, f)
	if f.Buried {
		m.status.Buried++
		m.status.BuriedFor[reason]++
	} else {
		m.status.Released++
	}
}

// Status returns the state of the worker. It is safe for concurrent use.
func (w *Worker) Status() Status {
	w.monitor.mu.Lock()
	defer w.monitor.mu.Unlock()
	return w.monitor.status
}

// Failed returns the last failures, oldest first. It is safe for concurrent use.
func (w *Worker) Failed() []Failure {
	w.monitor.mu.Lock()
	defer w.monitor.mu.Unlock()
	return slices.Clone(w.monitor.failures)
}

// The Reason and Summary before the first answer.
const (
	notAsked   = "not asked yet"
	connecting = "connecting"
)

// summary describes in a few words why there is no connection.
func summary(err error) string {
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
