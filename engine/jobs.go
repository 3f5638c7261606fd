package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/queue/beanstalkd"
	"perigee/engine/queue/memory"
	"perigee/engine/script/module"
)

// Queue is a queue service as other programs use it: to put jobs, and to look after them. Close it in the end.
type Queue interface {
	queue.Producer
	queue.Admin
}

// errOwnMemory is returned by OpenQueue for a queue that no other process reaches.
var errOwnMemory = errors.New(`queue.driver is "memory", a queue that only the running server has: ` +
	`only perigee push and perigee queue failed reach it`)

// errNoQueue is returned to whoever would use the queue of settings that have none.
var errNoQueue = errors.New(`queue.driver is "off", so there is no queue; with "beanstalkd" or "memory" there is one`)

// OpenQueue returns the service that the settings name. It connects when it is first used.
func OpenQueue(c config.Queue) (Queue, error) {
	switch c.Driver {
	case MemoryDriver:
		return nil, errOwnMemory
	case offDriver:
		return nil, errNoQueue
	default:
		return beanstalkd.NewClient(c.Dialed()), nil
	}
}

// syncJob is the state.sync that has the effect of each job on the disk before the job is gone.
const syncJob = "job"

// MemoryDriver is the queue.driver that needs no service.
const MemoryDriver = "memory"

// offDriver is the queue.driver of a server without a queue.
const offDriver = "off"

// Job is the text of a job that runs a command. arguments is JSON text; nil is none.
func Job(command string, arguments []byte) ([]byte, error) {
	text, err := json.Marshal(struct {
		Job  string          `json:"job"`
		Data json.RawMessage `json:"data,omitempty"`
	}{command, arguments})
	if err != nil {
		return nil, fmt.Errorf("engine: job %q: its arguments are no JSON: %w", command, err)
	}
	return text, nil
}

// jobs is the queue of a server: what its scripts put, and the worker that takes jobs as they want.
type jobs struct {
	// Set by newJobs, never changed.
	settings config.Queue
	ledger   *ledger
	driver   queue.Driver // nil where there is no queue, as service is
	service  Queue
	log      *slog.Logger
	wanted   chan *module.Work // capacity 1; want sends, run receives the latest; never closed
	saved    bool              // the state is on the disk before a job is gone
	pushes   sync.WaitGroup

	drain  atomic.Int64 // for jobs in hand when the server stops, in nanoseconds
	linger atomic.Int64 // the same when other scripts take jobs in another way

	// Guarded by mu.
	mu     sync.Mutex
	worker *queue.Worker // that runs, or ran last; nil before the first
	name   string        // of the queue that worker takes jobs from
	taking bool          // whether worker runs
}

// newJobs connects to nothing yet.
func newJobs(c config.Config, l *ledger, log *slog.Logger) *jobs {
	j := &jobs{
		settings: c.Queue, ledger: l, log: log,
		saved: c.State.Sync == syncJob, wanted: make(chan *module.Work, 1),
	}
	j.configure(c)
	switch c.Queue.Driver {
	case MemoryDriver:
		l.clear() // of what another queue had, or one that is lost
		own := memory.New(loop.RealClock{})
		j.driver, j.service = own, own
	case offDriver:
	default:
		j.driver, j.service = beanstalkd.New(c.Queue.Dialed(), log), beanstalkd.NewClient(c.Queue.Dialed())
	}
	return j
}

// configure has settings take effect that may change while the server runs. Any goroutine may call it.
func (j *jobs) configure(c config.Config) {
	j.drain.Store(int64(c.Stop.Drain))
	j.linger.Store(int64(c.Lua.Drain))
}

// want says how jobs are to be taken from now on; nil is not at all. It never blocks. The loop alone calls it.
func (j *jobs) want(w *module.Work) {
	select {
	case <-j.wanted: // which nobody has seen
	default:
	}
	j.wanted <- w
}

// run takes jobs as they are wanted, until ctx ends and the jobs in hand have finished or been given back.
func (j *jobs) run(ctx context.Context, h queue.Handler) {
	var running sync.WaitGroup
	defer running.Wait()
	var present *module.Work
	retire, told := func() {}, false
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-j.wanted:
			if j.driver == nil {
				if w != nil && !told {
					told = true
					j.log.Info("engine: no jobs are taken", "setting", "queue.driver", "value", offDriver)
				}
				continue
			}
			if same(present, w) {
				continue
			}
			retire()
			present, retire = w, j.begin(ctx, &running, w, h)
		}
	}
}

// begin has jobs taken as a script wants, until retire is called: then no more are, and those in hand go on for as long as
// handlers of replaced scripts do.
func (j *jobs) begin(ctx context.Context, running *sync.WaitGroup, w *module.Work, h queue.Handler) (retire func()) {
	if w == nil {
		return func() {}
	}
	worker := j.employ(*w, h)
	running.Go(func() {
		worker.Run(ctx)
		j.rest(worker)
	})
	return func() {
		worker.Retire(time.Duration(j.linger.Load()))
		j.rest(worker)
	}
}

// same tells whether two wishes are the same.
func same(a, b *module.Work) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// employ makes the worker that a script wants.
func (j *jobs) employ(w module.Work, h queue.Handler) *queue.Worker {
	c := j.settings
	name, window := c.Name, c.Window
	if w.Queue != "" {
		name = w.Queue
	}
	if w.Window > 0 {
		window = w.Window
	}
	worker := queue.NewWorker(queue.Options{
		Name:           name,
		Window:         window,
		MaxAttempts:    c.MaxAttempts,
		HandlerTimeout: c.HandlerTimeout.Std(),
		Drain:          func() time.Duration { return time.Duration(j.drain.Load()) },
		Map:            c.Map,
		Unasked:        unasked(c),
		Ran:            j.ledger.list(),
		Gone:           j.ledger.remove,
	}, j.driver, h, j.log)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.worker, j.name, j.taking = worker, name, true
	return worker
}

// unasked is what may be done without the queue service, where the settings name no other than the defaults do.
func unasked(c config.Queue) string {
	usual := config.Default().Queue
	if c.Driver != usual.Driver || c.Address != usual.Address {
		return ""
	}
	return `for a queue within the server: [queue] driver = "memory"; for none: driver = "off"`
}

// condition says how the queue is. Anybody may read it: it names no address. Any goroutine may call it.
func (j *jobs) condition() string { return j.status().Condition }

// JobsStatus is how the jobs of a server are.
type JobsStatus struct {
	Queue     string       // its name; "" before jobs are taken
	Condition string       // whether jobs are taken and the queue is there, in a few words
	Worker    queue.Status // since the boot that asked for jobs as they are taken now
}

// status tells how the jobs are. Any goroutine may call it.
func (j *jobs) status() JobsStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := JobsStatus{Queue: j.name, Condition: "no jobs are taken"}
	if j.driver == nil {
		s.Condition = offDriver
	}
	if j.worker == nil {
		return s
	}
	s.Worker = j.worker.Status()
	switch {
	case !j.taking:
	case s.Worker.Connected:
		s.Condition = "connected"
	default:
		s.Condition = s.Worker.Short + " since " + s.Worker.Since.UTC().Format(time.RFC3339)
	}
	return s
}

// rest notes that a worker takes no jobs any more.
func (j *jobs) rest(worker *queue.Worker) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.worker == worker {
		j.taking = false
	}
}

// failed returns the jobs that failed last, the oldest first.
func (j *jobs) failed() []queue.Failure {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.worker == nil {
		return nil
	}
	return j.worker.Failed()
}

// push puts a job of a script, as script.Options has it.
func (j *jobs) push(p module.Push, done func(id uint64, err error)) (cancel func()) {
	ctx, cancel := context.WithCancel(context.Background())
	j.pushes.Go(func() {
		defer cancel()
		done(j.put(ctx, p))
	})
	return cancel
}

// put puts a job of a script. The error is a reason for the script.
func (j *jobs) put(ctx context.Context, p module.Push) (uint64, error) {
	text, err := Job(p.Command, p.Arguments)
	if err != nil {
		return 0, err
	}
	delay := p.Delay
	if rest := delay % time.Second; rest > 0 && j.settings.Driver != MemoryDriver {
		delay += time.Second - rest
	}
	return j.enqueue(ctx, queue.Put{Queue: j.settings.Name, Body: text, Delay: delay, Priority: p.Priority})
}

// enqueue puts a job on the queue.
func (j *jobs) enqueue(ctx context.Context, p queue.Put) (id uint64, err error) {
	if j.service == nil {
		return 0, errNoQueue
	}
	return j.service.Put(ctx, p)
}

// close lets go of the service, after the scripts have ended.
func (j *jobs) close() {
	j.pushes.Wait() // each was called off with the handler that waited for it
	if j.service == nil {
		return
	}
	if own, ok := j.service.(*memory.Queue); ok {
		if all, delayed, buried := own.Left(); all > 0 {
			j.log.Warn("engine: jobs are lost with the queue, which was in memory", "jobs", all, "delayed", delayed, "buried", buried)
		}
	}
	if err := j.service.Close(); err != nil {
		j.log.Debug("engine: closing the queue", "error", err)
	}
}
