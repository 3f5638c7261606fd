package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors by which a service says no. All others that a Source answers with mean that the connection is lost.
var (
	// ErrEmpty means that there is no job now.
	ErrEmpty = errors.New("queue: there is no job")
	// ErrNotFound means that there is no such job, or that it is not ours any more.
	ErrNotFound = errors.New("queue: there is no such job")
	// ErrRefused is wrapped where the service could not do it, but the connection is fine.
	ErrRefused = errors.New("queue: the service refused")
	// ErrBuried is wrapped, with ErrRefused, where the service has set the job aside instead.
	ErrBuried = fmt.Errorf("%w and buried the job", ErrRefused)
)

// Reserved is a job that a Source has, and nobody else until it is settled or the Source ends.
type Reserved struct {
	ID   uint64
	Body []byte
}

// Stats is what a service knows of a job.
type Stats struct {
	Queue    string
	State    string // ready, delayed, reserved, buried
	Priority uint32 // 0 is the most urgent
	// Age is the time since it was put, in whole seconds.
	Age time.Duration
	// How often it was reserved, released, buried and kicked.
	Reserves, Releases, Buries, Kicks int
}

// attempt is which of its attempts the present run of a job is: each failure but the last one releases it. A job that was
// buried after its last and then kicked has that one again.
func (s Stats) attempt() int { return 1 + s.Releases }

// crashes is how often a job was reserved before and never heard of again.
func (s Stats) crashes() int { return s.Reserves - 1 - s.Releases - s.Buries }

// Driver is a queue service.
type Driver interface {
	// Open connects to the service and returns a source of jobs of one queue. It returns when ctx ends, at the latest.
	Open(ctx context.Context, queue string) (Source, error)
}

// Source is one connection that takes jobs. Its methods are called by one goroutine. Each begins a command and returns;
// answer is called once for each, in the order of the commands, by any goroutine, maybe before the method returns. It
// does not call the Source.
type Source interface {
	// Reserve asks for the next job and waits for it, whole seconds; with 0 it does not wait. While a Reserve waits,
	// commands behind it wait too. The error is ErrEmpty where there is none.
	Reserve(wait time.Duration, answer func(Reserved, error))
	// Delete ends a job.
	Delete(id uint64, answer func(error))
	// Release has a job tried again: it is ready after a delay of whole seconds. ErrBuried is wrapped where it is not.
	Release(id uint64, priority uint32, delay time.Duration, answer func(error))
	// GiveBack makes a job ready again, in its place: it was not tried. It counts as buried and kicked, not as released.
	GiveBack(id uint64, priority uint32, answer func(error))
	// Bury sets a job aside.
	Bury(id uint64, priority uint32, answer func(error))
	// Touch tells that a job is still being worked on.
	Touch(id uint64, answer func(error))
	// Stats asks what the service knows of a job.
	Stats(id uint64, answer func(Stats, error))
	// Buried counts the jobs of the queue that are set aside.
	Buried(answer func(int, error))
	// Flush sends what was begun. Until then commands may be kept, to send many at once.
	Flush()
	// Close ends the connection; what it has reserved is free again. It returns when all answers have been given.
	Close()
}

// Put is a job for a Producer.
type Put struct {
	Queue string // its name
	Body  []byte
	// Delay before it is ready, in whole seconds.
	Delay time.Duration
	// Priority: 0 is the most urgent, DefaultPriority the usual.
	Priority uint32
	// TTR is how long a worker may be silent about it, in whole seconds; 0 means DefaultTTR.
	TTR time.Duration
}

// What jobs have that need nothing special: the same as from Laravel.
const (
	DefaultPriority uint32 = 1024
	DefaultTTR             = 60 * time.Second
)

// Producer puts jobs. Any goroutine may use it.
type Producer interface {
	// Put puts a job and returns the number that the service gave it. After an error that wraps ErrUnsure the job may be
	// there all the same.
	Put(ctx context.Context, p Put) (id uint64, err error)
	// Close lets go of the connection and waits for what is under way.
	Close() error
}

// ErrUnsure is wrapped where a job was sent and no answer came.
var ErrUnsure = errors.New("queue: the job may have been put or not")

// Counts are the jobs of a queue by state.
type Counts struct {
	Ready, Delayed, Reserved, Buried int
	// Urgent are those of Ready with a priority below 1024.
	Urgent int
	// Waiting are the workers that wait for a job.
	Waiting int
}

// State is where Peek looks.
type State string

// The states.
const (
	Ready   State = "ready"
	Delayed State = "delayed"
	Buried  State = "buried"
)

// Peeked is a job that was looked at.
type Peeked struct {
	Reserved
	Stats Stats
}

// Admin reads and mends a queue. Any goroutine may use it.
type Admin interface {
	// Counts counts the jobs of a queue. One that nobody has used yet has none.
	Counts(ctx context.Context, queue string) (Counts, error)
	// Peek returns the next job of a state; ErrNotFound where there is none.
	Peek(ctx context.Context, queue string, state State) (Peeked, error)
	// Job returns a job by its number, wherever it is; ErrNotFound where there is none.
	Job(ctx context.Context, id uint64) (Peeked, error)
	// Kick makes up to n buried jobs ready, or delayed ones where none is buried, and returns how many.
	Kick(ctx context.Context, queue string, n int) (int, error)
	// KickJob makes one job ready that is buried or delayed; ErrNotFound where there is none.
	KickJob(ctx context.Context, id uint64) error
	// Delete removes a job that is not reserved; ErrNotFound where there is none.
	Delete(ctx context.Context, id uint64) error
	// Close lets go of the connection and waits for what is under way.
	Close() error
}
