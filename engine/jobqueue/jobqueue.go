// Package jobqueue is where a server meets its queue: it chooses the service that the settings name, employs the worker that the
// scripts want, retires it when they want another, and puts what they push. It does not know what a job does, which its
// handler does, nor when one is safely done, which the worker and the keeper settle between them.
package jobqueue

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
	"perigee/engine/persist"
	"perigee/engine/queue"
	"perigee/engine/queue/beanstalkd"
	"perigee/engine/queue/memory"
	"perigee/engine/script/module"
)

// Service is a queue service as other programs use it: to put jobs, and to look after them. Close it in the end.
type Service interface {
	queue.Producer
	queue.Admin
}

// errOwnMemory is returned by Open for a queue that no other process reaches.
var errOwnMemory = errors.New(`queue.driver is "memory", a queue that only the running server has: ` +
	`only perigee push and perigee queue failed reach it`)

// errNoQueue is returned to whoever would use the queue of settings that have none.
var errNoQueue = errors.New(`queue.driver is "off", so there is no queue; with "beanstalkd" or "memory" there is one`)

// Open returns the service that the settings name. It connects when it is first used.
func Open(c config.Queue) (Service, error) {
	switch c.Driver {
	case config.DriverMemory:
		return nil, errOwnMemory
	case config.DriverOff:
		return nil, errNoQueue
	default:
		return beanstalkd.NewClient(c.Dialed()), nil
	}
}

// Body is the text of a job that runs a command. arguments is JSON text; nil is none.
func Body(command string, arguments []byte) ([]byte, error) {
	text, err := json.Marshal(struct {
		Job  string          `json:"job"`
		Data json.RawMessage `json:"data,omitempty"`
	}{command, arguments})
	if err != nil {
		return nil, fmt.Errorf("jobs: job %q: its arguments are no JSON: %w", command, err)
	}
	return text, nil
}

// Desk is the queue of a server: what its scripts put, and the worker that takes jobs as they want. Any goroutine may use it.
type Desk struct {
	// Set by New, never changed.
	settings config.Queue
	ledger   *persist.AppliedJobs
	driver   queue.Driver // nil where there is no queue, as service is
	service  Service
	log      *slog.Logger
	wanted   chan *module.Work // capacity 1; Want sends, Run receives the latest; never closed
	pushes   sync.WaitGroup

	// Set by Configure, read by any goroutine.
	drain  atomic.Int64 // for jobs in hand when the server stops, in nanoseconds
	linger atomic.Int64 // the same when other scripts take jobs in another way

	// Guarded by mu.
	mu     sync.Mutex
	worker *queue.Worker              // that runs, or ran last; nil before the first
	name   string                     // of the queue that worker takes jobs from
	taking bool                       // whether worker takes jobs
	busy   map[*queue.Worker]struct{} // those whose Run has not returned: worker, and others that finish what they have
	past   queue.Tally                // of those before
}

// New connects to nothing yet. l has the jobs that need not run again.
func New(c config.Config, l *persist.AppliedJobs, log *slog.Logger) *Desk {
	d := &Desk{settings: c.Queue, ledger: l, log: log, wanted: make(chan *module.Work, 1), busy: map[*queue.Worker]struct{}{}}
	d.Configure(c)
	switch c.Queue.Driver {
	case config.DriverMemory:
		l.Clear() // of what another queue had, or one that is lost
		own := memory.New(loop.RealClock{})
		d.driver, d.service = own, own
	case config.DriverOff:
	default:
		d.driver, d.service = beanstalkd.New(c.Queue.Dialed(), log), beanstalkd.NewClient(c.Queue.Dialed())
	}
	return d
}

// Configure has settings take effect that may change while the server runs.
func (d *Desk) Configure(c config.Config) {
	d.drain.Store(int64(c.Stop.Drain))
	d.linger.Store(int64(c.Lua.Drain))
}

// Want says how jobs are to be taken from now on; nil is not at all. It never blocks. The loop alone calls it.
func (d *Desk) Want(w *module.Work) {
	select {
	case <-d.wanted: // which nobody has seen
	default:
	}
	d.wanted <- w
}

// Run takes jobs as they are wanted, until ctx ends and the jobs in hand have finished or been given back.
func (d *Desk) Run(ctx context.Context, h queue.Handler) {
	var running sync.WaitGroup
	defer running.Wait()
	var present *module.Work
	retire, told := func() {}, false
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-d.wanted:
			if d.driver == nil {
				if w != nil && !told {
					told = true
					d.log.Info("jobs: no jobs are taken", "setting", "queue.driver", "value", config.DriverOff)
				}
				continue
			}
			if same(present, w) {
				continue
			}
			retire()
			present, retire = w, d.begin(ctx, &running, w, h)
		}
	}
}

// begin has jobs taken as a script wants, until retire is called: then no more are, and those in hand go on for as long as
// handlers of replaced scripts do.
func (d *Desk) begin(ctx context.Context, running *sync.WaitGroup, w *module.Work, h queue.Handler) (retire func()) {
	if w == nil {
		return func() {}
	}
	worker := d.employ(*w, h)
	running.Go(func() {
		worker.Run(ctx)
		d.rest(worker)
		d.dismiss(worker)
	})
	return func() {
		worker.Retire(time.Duration(d.linger.Load()))
		d.rest(worker)
	}
}

// same tells whether two wishes are the same.
func same(a, b *module.Work) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// employ makes the worker that a script wants.
func (d *Desk) employ(w module.Work, h queue.Handler) *queue.Worker {
	c := d.settings
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
		Drain:          func() time.Duration { return time.Duration(d.drain.Load()) },
		Map:            c.Map,
		Unasked:        unasked(c),
		Ran:            d.ledger.List(),
		Gone:           d.ledger.Remove,
	}, d.driver, h, d.log)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.worker, d.name, d.taking = worker, name, true
	d.busy[worker] = struct{}{}
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

// Condition says how the queue is. Anybody may read it: it names no address.
func (d *Desk) Condition() string { return d.Status().Condition }

// Status is how the jobs of a server are.
type Status struct {
	Queue     string       // its name; "" before jobs are taken
	Taking    bool         // whether jobs are taken
	Condition string       // whether jobs are taken and the queue is there, in a few words
	Worker    queue.Status // since the boot that asked for jobs as they are taken now
}

// Status tells how the jobs are.
func (d *Desk) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Status{Queue: d.name, Condition: "no jobs are taken"}
	if d.driver == nil {
		s.Condition = config.DriverOff
	}
	if d.worker == nil {
		return s
	}
	s.Taking, s.Worker = d.taking, d.worker.Status()
	switch {
	case !d.taking:
	case s.Worker.Connected:
		s.Condition = "connected"
	default:
		s.Condition = s.Worker.Short + " since " + s.Worker.Since.UTC().Format(time.RFC3339)
	}
	return s
}

// rest notes that a worker takes no jobs any more.
func (d *Desk) rest(worker *queue.Worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.worker == worker {
		d.taking = false
	}
}

// dismiss keeps the counts of a worker that has ended.
func (d *Desk) dismiss(worker *queue.Worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, worker)
	d.past.Add(worker.Status().Tally)
}

// Counts are those of all workers that there were.
func (d *Desk) Counts() queue.Tally {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.past
	for worker := range d.busy {
		all.Add(worker.Status().Tally)
	}
	return all
}

// Failed returns the jobs that failed last, the oldest first.
func (d *Desk) Failed() []queue.Failure {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.worker == nil {
		return nil
	}
	return d.worker.Failed()
}

// Push puts a job of a script, as script.Options has it.
func (d *Desk) Push(p module.Push, done func(id uint64, err error)) (cancel func()) {
	ctx, cancel := context.WithCancel(context.Background())
	d.pushes.Go(func() {
		defer cancel()
		done(d.push(ctx, p))
	})
	return cancel
}

// push puts a job of a script. The error is a reason for the script.
func (d *Desk) push(ctx context.Context, p module.Push) (uint64, error) {
	text, err := Body(p.Command, p.Arguments)
	if err != nil {
		return 0, err
	}
	delay := p.Delay
	if rest := delay % time.Second; rest > 0 && d.settings.Driver != config.DriverMemory {
		delay += time.Second - rest
	}
	return d.Put(ctx, queue.Put{Queue: d.settings.Name, Body: text, Delay: delay, Priority: p.Priority})
}

// Put puts a job, which with queue.driver "memory" nobody else can.
func (d *Desk) Put(ctx context.Context, p queue.Put) (id uint64, err error) {
	if d.service == nil {
		return 0, errNoQueue
	}
	return d.service.Put(ctx, p)
}

// Close lets go of the service, after the scripts have ended.
func (d *Desk) Close() {
	d.pushes.Wait() // each was called off with the handler that waited for it
	if d.service == nil {
		return
	}
	if own, ok := d.service.(*memory.Queue); ok {
		if all, delayed, buried := own.Left(); all > 0 {
			d.log.Warn("jobs: jobs are lost with the queue, which was in memory", "jobs", all, "delayed", delayed, "buried", buried)
		}
	}
	if err := d.service.Close(); err != nil {
		d.log.Debug("jobs: closing the queue", "error", err)
	}
}
