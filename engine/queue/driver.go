package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Errors that a service answers with. Any other error of a Source means that the connection is lost.
var (
	// ErrEmpty means that no job is ready.
	ErrEmpty = errors.New("queue: no job is ready")
	// ErrNotFound means that the job does not exist, or is not reserved by this connection any more.
	ErrNotFound = errors.New("queue: job not found")
	// ErrRefused is wrapped if the service refused the command; the connection is still good.
	ErrRefused = errors.New("queue: the service refused the command")
	// ErrBuried is wrapped, with ErrRefused, if the service buried the job instead.
	ErrBuried = fmt.Errorf("%w and buried the job", ErrRefused)
	// ErrUnsupported is wrapped if the service has no such feature. The text says which.
	ErrUnsupported = fmt.Errorf("%w: it has no such feature", ErrRefused)
)

// UnknownAge is the age of a job if the service does not keep it.
const UnknownAge = -time.Second

// Stats has the statistics of a job, as the service keeps them.
type Stats struct {
	Queue    string
	State    string // ready, delayed, reserved, buried
	Priority uint32 // 0 is the most urgent
	// Age is the time since the job was put, in whole seconds, or UnknownAge.
	Age time.Duration
	// New is set if the service knows that the job was not reserved before, so that it cannot have run.
	New bool
	// Reason is why the job was buried, if the service keeps that.
	Reason string
	// How often the job was reserved, released, buried and kicked.
	Reserves, Releases, Buries, Kicks int
}

// attempt returns the number of the present attempt: each failed attempt but the last releases the job. A job that was buried
// after its last attempt and then kicked repeats that attempt.
func (s Stats) attempt() int { return 1 + s.Releases }

// crashes returns how often the job was reserved before without any outcome.
func (s Stats) crashes() int { return s.Reserves - 1 - s.Releases - s.Buries }

// mayHaveRun reports whether the job can be one that was reserved some time ago: it is not new, and at least as old.
func (s Stats) mayHaveRun(ago time.Duration) bool {
	return !s.New && (s.Age == UnknownAge || s.Age+time.Second >= ago)
}

// Driver connects to a queue service.
type Driver interface {
	// Open connects to the service and returns a source of the jobs of one queue. It returns at the latest when ctx ends.
	Open(ctx context.Context, queue string) (Source, error)
}

// Source is one connection that reserves jobs. Its methods must be called by one goroutine. Each begins a command and returns.
// Each answer is called once, in the order of the commands, by any goroutine, possibly before the method returns. An answer
// must not call the Source.
type Source interface {
	// Reserve reserves the next job, until Options.TTR has passed since the reserve or the last touch. It waits for a job as long
	// as wait says, in whole seconds; later commands may wait, too. If there is none the error is ErrEmpty.
	Reserve(wait time.Duration, answer func(Job, error))
	// Delete deletes a job.
	Delete(id uint64, answer func(error))
	// Release makes a job ready again after a delay of whole seconds, for another attempt. If the service buried the job
	// instead, the error wraps ErrBuried.
	Release(id uint64, priority uint32, delay time.Duration, answer func(error))
	// GiveBack makes a job ready again that was not tried, in its place in the queue. It counts neither as an attempt nor as a
	// crash.
	GiveBack(id uint64, priority uint32, answer func(error))
	// Bury buries a job. A service that cannot keep the reason leaves it out.
	Bury(id uint64, priority uint32, reason string, answer func(error))
	// Touch restarts a job's time to run.
	Touch(id uint64, answer func(error))
	// Buried counts the buried jobs of the queue.
	Buried(answer func(int, error))
	// Flush sends the commands begun. A Source may buffer them until then.
	Flush()
	// Close ends the connection. The jobs that it still holds become ready again, or, if the service keeps them reserved, the
	// next source of the same Driver delivers them first. It returns when all answers have been given.
	Close()
}

// StatsSource is a Source that does not set Job.Stats, but can be asked.
type StatsSource interface {
	Source
	// Stats returns the statistics of a job.
	Stats(id uint64, answer func(Stats, error))
}

// PutRequest is a job to put.
type PutRequest struct {
	Queue string // its name
	Body  []byte
	// Delay before the job is ready, in whole seconds.
	Delay time.Duration
	// Priority: 0 is the most urgent, DefaultPriority is the usual one. A service without priorities refuses any other with
	// ErrUnsupported.
	Priority uint32
	// TTR, the time to run, is how long a worker may hold the job without touching it, in whole seconds; 0 means the usual one. A
	// service whose jobs have no time of their own refuses any other with ErrUnsupported.
	TTR time.Duration
}

// The defaults for jobs, which are those of Laravel.
const (
	DefaultPriority uint32 = 1024
	DefaultTTR             = 60 * time.Second
)

// Producer puts jobs. It is safe for concurrent use.
type Producer interface {
	// Put puts a job and returns its ID. If the error wraps ErrUnsure, the job may have been put.
	Put(ctx context.Context, r PutRequest) (id uint64, err error)
	// Close closes the connection and waits for commands under way.
	Close() error
}

// ErrUnsure is wrapped if a job was sent and no answer came.
var ErrUnsure = errors.New("queue: no answer; the job may or may not have been put")

// Counts are the numbers of jobs of a queue by state.
type Counts struct {
	Ready, Delayed, Reserved, Buried int
	// Urgent are those of Ready with a priority below 1024.
	Urgent int
	// Waiting are the workers that wait for a job, or UnknownWaiting.
	Waiting int
}

// UnknownWaiting is the number of waiting workers if the service does not count them.
const UnknownWaiting = -1

// State is a state of jobs that Peek looks at.
type State string

// The states.
const (
	Ready   State = "ready"
	Delayed State = "delayed"
	Buried  State = "buried"
)

// WithoutAddresses removes the addresses from a network error. A Driver names the service itself, and the local address would make
// each error a different one.
func WithoutAddresses(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}

// Admin inspects and repairs a queue. It is safe for concurrent use. Methods that take an ID and a queue find the job in any queue
// if the service's IDs are unique.
type Admin interface {
	// Counts counts the jobs of a queue. A queue that does not exist has none.
	Counts(ctx context.Context, queue string) (Counts, error)
	// Peek returns the next job in a state, or ErrNotFound.
	Peek(ctx context.Context, queue string, state State) (Job, Stats, error)
	// PeekJob returns a job in any state, or ErrNotFound.
	PeekJob(ctx context.Context, queue string, id uint64) (Job, Stats, error)
	// Kick makes up to n buried jobs ready, or delayed ones if none is buried, and returns how many.
	Kick(ctx context.Context, queue string, n int) (int, error)
	// KickJob makes a buried or delayed job ready; if there is none with this ID the error is ErrNotFound.
	KickJob(ctx context.Context, queue string, id uint64) error
	// Delete deletes a job that is not reserved; if there is none with this ID the error is ErrNotFound.
	Delete(ctx context.Context, queue string, id uint64) error
	// Close closes the connection and waits for commands under way.
	Close() error
}
