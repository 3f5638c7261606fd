// Package queue owns the worker: it reserves jobs that other programs put on a queue, hands them to a Handler, and deletes,
// releases or buries them by the outcome. A job runs at least once, jobs begin in the order of the queue, and the service may
// be unreachable at any time. The package must not know what a command does, nor the protocol of a service, which is the
// Driver's.
//
// A job whose handler returns an error is released with a growing delay. After its last attempt it is buried: it stays in the
// service until an operator kicks or deletes it. A job that ran, but whose deletion the service did not confirm, is remembered:
// if it is delivered again, it is deleted without running.
package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrPermanent matches errors of jobs that no further attempt can help: an unknown command, an unreadable body.
var ErrPermanent = errors.New("queue: permanent error")

// ErrUnknownCommand is wrapped by errors about an unregistered command. Such errors also match ErrPermanent.
var ErrUnknownCommand = errors.New("queue: unknown command")

// ErrUnreadable matches errors about an unreadable body. It wraps ErrPermanent.
var ErrUnreadable = fmt.Errorf("queue: unreadable body: %w", ErrPermanent)

// Permanent returns an error with the text of err that also matches ErrPermanent.
func Permanent(err error) error { return marked{err, ErrPermanent} }

// Unreadable returns an error with the text of err that also matches ErrUnreadable.
func Unreadable(err error) error { return marked{err, ErrUnreadable} }

// marked is an error that also matches another, which its text leaves out: the author of a script reads it.
type marked struct {
	error
	as error
}

// Unwrap returns both errors.
func (m marked) Unwrap() []error { return []error{m.error, m.as} }

// Causes of the end of a job's context.
var (
	// ErrTimeout means that the job exceeded its timeout.
	ErrTimeout = errors.New("queue: the job exceeded its timeout")
	// ErrStopping means that the worker stopped before the job ended. The service will deliver the job again.
	ErrStopping = errors.New("queue: the worker is stopping")
)

// Job is a job, from reserve to delete. An Admin sets ID and Body. A Source may also set Stats and the hash of the Fingerprint. A
// Worker adds the rest for its Handler.
type Job struct {
	ID   uint64
	Body []byte // as it was put; nil for a Handler unless Unknown is set
	// Stats are those of the reserve. Optional: a Source that does not set them is a StatsSource.
	Stats *Stats

	Queue     string // its name
	Command   string // the name in the body, after Options.Map
	Arguments []byte // JSON text; nil if there are none
	Attempt   int    // 1 for the first
	// Unknown is set if the body has no known format. The Handler reads it and calls SetCommand, or fails with this error, which
	// wraps ErrUnreadable.
	Unknown error
	// SetCommand may be called by any goroutine before done. It names the command of a job whose format is unknown, for the log.
	SetCommand func(command string)
	// Fingerprint identifies the job after it has run. It is to be kept until Options.Forgotten.
	Fingerprint Fingerprint
	// Returned may be called once, by any goroutine and before done, when the command has returned and its effect is being
	// saved. From then on the job has no timeout. Optional.
	Returned func()
	// Yielded may be called, by any goroutine, when the command waits for something, so that other work runs. It tells that the
	// job did not crash the process at once. It is nil if that does not matter.
	Yielded func()
}

// Fingerprint identifies a job that has run, in case the service delivers it again because its deletion was not confirmed.
type Fingerprint struct {
	ID    uint64    `json:"id"`
	Hash  uint64    `json:"hash"`  // of its body, unless the Source sets another: a service that lost its jobs assigns the same IDs to other jobs
	First time.Time `json:"first"` // when it was first reserved; it was put before
}

// Handler runs jobs.
type Handler interface {
	// Job begins a job. It is called by one goroutine, in the order of the queue. It may block until the job can begin,
	// at most until ctx ends: that is back-pressure, and more urgent jobs can still overtake those behind it. It must not wait
	// for the job's end. done must be called once, by any goroutine, when the command has returned and its effect is saved: nil
	// deletes the job, an error releases it for another attempt, and an error that wraps ErrPermanent buries it. ctx ends if
	// the job exceeds its timeout or the worker gives it up: the command is then interrupted, and done is still called. An
	// error with a method Ref() string has already been logged under that reference.
	Job(ctx context.Context, j Job, done func(err error))
}

// Options are the limits of a Worker. All fields are required except those marked optional.
type Options struct {
	// Name is the queue's name.
	Name string
	// Service is the name of the service, for the log.
	Service string
	// TTR is how long a job stays reserved without being touched. 0 means that each job has its own, of at least 1 s. Optional.
	TTR time.Duration
	// Window is the maximum number of jobs held at once: those that run and those that wait to begin.
	Window int
	// MaxAttempts is how often a failing job is tried before it is buried, unless its body says otherwise.
	MaxAttempts int
	// HandlerTimeout is how long a job may take, waiting included, before its context ends, unless its body says otherwise.
	HandlerTimeout time.Duration
	// Drain returns how long running jobs may take once the worker stops; then they are given back. Run calls it.
	Drain func() time.Duration
	// OptionalHint is set if the service is optional. If it cannot be reached at first, this is logged as information with the
	// hint, not as a warning. Optional.
	OptionalHint string
	// Map maps names of jobs, or of their classes, to commands. Optional.
	Map map[string]string
	// Applied are jobs that an earlier worker ran: if one is delivered again, it is deleted without running. Optional.
	Applied []Fingerprint
	// Forgotten is called by the goroutine of Run when a job that has run need not be remembered any more. Optional.
	Forgotten func(id uint64)
}

// Bounds of the worker.
const (
	heartbeat   = 200 * time.Millisecond // between two checks of the jobs held
	shortestTTR = time.Second            // that a service allows
	touchAfter  = 0.4                    // of the time to run since the last touch: the job is touched
	staleAfter  = 0.8                    // of the time to run since the last touch: the service may have given the job to another worker

	pollInterval   = 20 * time.Millisecond // between two reserves on an empty queue while jobs are held
	reserveTimeout = 5 * time.Second       // of a reserve that waits; it bounds how late a lost connection is noticed
	maxOutstanding = 16                    // reserves sent at once
	maxAhead       = 20 * time.Millisecond // longest time that a reserved job should wait to begin, so that an urgent one need not wait longer

	minRetryDelay = time.Second     // before a failed job is tried again; doubled each time
	maxRetryDelay = 5 * time.Minute // upper bound of that

	stuckAfter = 5 * time.Second // after its context has ended, a handler that has not returned counts as failed

	probationJobs  = 64          // first jobs after a start, begun one by one to find one that crashes the process
	provenAfter    = time.Second // a job on probation that has run so long does not delay the next one, even if it never waits
	suspectCrashes = 3           // times without any outcome after which a job on probation delays the next one although it waits
	maxCrashes     = 5           // times that a job may be reserved without any outcome
	finalTimeout   = time.Second // for the service to answer to jobs given back at the end

	buriedWarning  = 1000        // buried jobs above which a warning is logged: they use the service's memory
	buriedInterval = time.Minute // minimum time between two counts of buried jobs
	MaxFailures    = 100         // kept for Failed

	maxUnconfirmed  = 4096             // jobs remembered that ran and whose deletion is not confirmed
	unconfirmedTime = 10 * time.Minute // how long they are remembered after their time to run

	minReconnectDelay = 50 * time.Millisecond // doubled each time; half of it is random
	maxReconnectDelay = 2 * time.Second       // upper bound of that
)
