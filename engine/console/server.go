package console

import (
	"context"
	"time"

	"perigee/engine/jobqueue"
	"perigee/engine/loop"
	"perigee/engine/manager"
	"perigee/engine/manager/inspect"
	counts "perigee/engine/metrics"
	"perigee/engine/process"
	"perigee/engine/queue"
	"perigee/engine/script/store"
	"perigee/engine/trace"
	"perigee/engine/wire"
)

// Server is the running server, which the console asks. Its methods are safe for concurrent use. Those without a context wait for nothing, so that they
// answer while a script holds the loop.
type Server interface {
	// Started returns when the server began to accept clients.
	Started() time.Time
	// Ready reports whether it accepts clients.
	Ready() bool
	// Figures returns the present figures of all parts, and the counts of all generations of scripts.
	Figures() (counts.Snapshot, []counts.GenerationCounts)
	// Jobs returns the status of the queue and its jobs.
	Jobs() jobqueue.Status
	// FailedJobs returns the latest failed jobs, the oldest first.
	FailedJobs() []queue.Failure
	// Queue returns the administration of the queue and its name, or why there is none.
	Queue() (admin queue.Admin, name string, err error)
	// Trace begins a trace of the messages that the filter selects. It ends after limit, unless that is 0.
	Trace(f trace.Filter, limit time.Duration) (*trace.Tap, error)

	// Inspector returns what shows connections, users and topics, and acts on connections.
	Inspector() *inspect.Inspector
	// Timers returns the timers of the scripts.
	Timers(ctx context.Context) ([]manager.TimerStatus, error)
	// Routes returns what the scripts have registered.
	Routes(ctx context.Context) (manager.Routes, error)
	// States returns the tables of server.state, State what is at a path in one of them, as JSON of at most limit bytes.
	States(ctx context.Context) ([]store.Size, error)
	State(ctx context.Context, name string, path []string, limit int) (v store.View, found bool, err error)
	// Waits returns the handlers that wait, by the name of their turn.
	Waits(ctx context.Context) (map[string]loop.Waits, error)
	// Processes returns the processes of the scripts.
	Processes() []process.Status
	// CompareScripts returns what a reload would change, ReloadScripts reloads. Their error is the fault of scripts or settings.
	CompareScripts(ctx context.Context) (Reload, error)
	ReloadScripts(ctx context.Context) (Reload, error)
	// Command runs a command of the scripts and returns its result as JSON, or the exception that says why there is none.
	Command(ctx context.Context, name string, arguments []byte) (result []byte, exc *wire.Exception)
}
