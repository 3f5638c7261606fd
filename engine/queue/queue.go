// Package queue is the worker: it takes the jobs that other programs put on a queue, hands them to whoever does the work,
// and settles them by the outcome. A job runs at least once, jobs are begun in the order of the queue, and the service may
// be away at any time. The package knows neither what a command does nor the protocol of a service: that is a Driver's,
// and the text of a job is read by a function that it is given.
//
// A job whose handler returned an error is released with a growing delay, and buried after the last attempt: it stays with
// the service until somebody looks at it. One that ran but whose deletion the service did not confirm is remembered, so
// that it is deleted and not run when it comes again.
package queue

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"perigee/engine/queue/body"
)

// ErrPermanent is wrapped by errors of jobs that no further attempt can help: an unknown command, a body that cannot be read.
var ErrPermanent = errors.New("queue: no further attempt would help")

// ErrUnknown is what errors are where nobody knows the command of a job; they are ErrPermanent, too.
var ErrUnknown = errors.New("queue: nobody knows the command")

// errUnreadable is ErrPermanent, in the same words, of a body that cannot be read: it only tells the cause apart.
var errUnreadable = fmt.Errorf("%w", ErrPermanent)

// Causes of the end of a job's context.
var (
	// ErrTimeout is the cause where the job took longer than it may.
	ErrTimeout = errors.New("queue: the job takes longer than it may")
	// ErrStopping is the cause where the server stops and the job did not end in time. The service gives it out again.
	ErrStopping = errors.New("queue: the worker stops")
)

// Job is a command that another program asks for.
type Job struct {
	ID          uint64
	Command     string      // the name of the body, after Options.Map
	Arguments   []byte      // JSON text; nil where there are none
	Attempt     int         // 1 for the first time
	Fingerprint Fingerprint // what to remember of it once it has run, until Options.Gone
	// Returned may be called before done, once and by any goroutine, where the command has returned and what it changed is
	// still to be made safe. From then on the job is kept, however long that takes. nil is nobody who wants to know.
	Returned func()
}

// Fingerprint identifies a job that has run, in case the queue delivers it again because its deletion was not confirmed.
type Fingerprint struct {
	ID    uint64    `json:"id"`
	Hash  uint64    `json:"hash"`  // of its body: a service that has lost its jobs gives the same numbers to others
	First time.Time `json:"first"` // when it was reserved first: it was put before
}

// Handler does the work of jobs.
type Handler interface {
	// Job begins a job. It is called by one goroutine, in the order of the queue. It may block until the job can begin,
	// at most until ctx ends: that is back-pressure, and jobs behind it that are more urgent can still overtake. It does
	// not wait for the job's end. done is called once, by any goroutine, when the command has returned and what it
	// changed is safe: nil deletes the job, an error releases it for another attempt, one that wraps ErrPermanent buries it
	// at once. ctx ends when the job has taken too long or the server gives it up: the command is then interrupted, and
	// done is called all the same. An error with a method Ref() string has been logged, under that reference.
	Job(ctx context.Context, j Job, done func(err error))
}

// Options are the limits of a Worker. All must be set but Map, Ran, Gone and Unasked.
type Options struct {
	// Name is that of the queue.
	Name string
	// Window is how many jobs are held at once: those that run and those that are next.
	Window int
	// MaxAttempts is how often a failing job is tried before it is buried, unless the body says otherwise.
	MaxAttempts int
	// HandlerTimeout is how long a job may take, waiting included, before its context ends, unless the body says otherwise.
	HandlerTimeout time.Duration
	// Drain tells how long jobs in hand may take once the worker stops; then they are given back. Run calls it.
	Drain func() time.Duration
	// Unasked is what may be done without the service, where nobody has asked for one: that it cannot be reached at first is
	// then no warning, but said with this hint. "" is that somebody has.
	Unasked string
	// Map has the commands of jobs that go by another name, by class or by name.
	Map map[string]string
	// Ran are jobs that have run for an earlier worker: where one comes again, it is deleted and not run.
	Ran []Fingerprint
	// Gone is called by the goroutine of Run when a job that has run need not be remembered any more.
	Gone func(id uint64)
}

// hash is that of a body.
func hash(body []byte) uint64 {
	sum := sha256.Sum256(body)
	return binary.BigEndian.Uint64(sum[:])
}

// command returns what a job is to run.
func (o Options) command(b body.Body) string {
	if b.Class != "" {
		if command, ok := o.Map[b.Class]; ok {
			return command
		}
	}
	if command, ok := o.Map[b.Name]; ok {
		return command
	}
	return b.Name
}

// Bounds of the worker.
const (
	heartbeat  = 200 * time.Millisecond // how often jobs in hand are looked at
	touchAfter = 400 * time.Millisecond // jobs are touched that often: a service's shortest time to run is 1 s
	staleAfter = 800 * time.Millisecond // a job that waited so long without a touch may be somebody else's by now

	poll           = 20 * time.Millisecond // between two looks at an empty queue while jobs are in hand
	blocking       = 5 * time.Second       // a wait for the next job; at its end a service that has gone is noticed
	maxOutstanding = 16                    // jobs that are asked for at once
	maxAhead       = 20 * time.Millisecond // a job that is put in front waits no longer behind those that are reserved

	firstDelay = time.Second     // before a failed job is tried again; doubled each time
	lastDelay  = 5 * time.Minute // up to this

	stuckAfter = 5 * time.Second // a handler that goes on so long after its context has ended is not waited for any more

	guarded    = 64          // jobs after a start that are begun one by one, to see which of them ends the process
	harmless   = time.Second // a job of those that has run so long does not hold the next one
	maxCrashes = 5           // times that a job may be reserved and never heard of again
	farewell   = time.Second // for the service to answer to what is given back in the end

	crowd       = 1000        // buried jobs from which on a warning is logged: they sit in the service's memory
	crowdEvery  = time.Minute // how often they are counted at most
	maxFailures = 100         // that are kept for Failed

	maxUnconfirmed = 4096             // jobs that ran and whose deletion is unsure
	keepUnsure     = 10 * time.Minute // how long they are remembered

	firstPause = 50 * time.Millisecond // before the service is asked again; doubled each time, half of it by chance
	lastPause  = 2 * time.Second       // up to this
)
