// Package jobqueue owns the queue of a server: it connects to the service that the settings name, runs the worker that the
// scripts ask for, and puts the jobs that they push. It must not know what a job does, nor when the effect of a job is saved.
package jobqueue

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/config"
	"perigee/engine/persist"
	"perigee/engine/queue"
	"perigee/engine/queue/memory"
	"perigee/engine/script/module"
)

// Service is the queue of a server: it puts the scripts' jobs, and runs the worker that they ask for. It is safe for concurrent
// use.
type Service struct {
	// Set by New, never changed.
	settings config.Queue
	applied  *persist.AppliedJobs
	driver   queue.Driver // nil if there is no queue, like client
	client   Client
	log      *slog.Logger
	requests chan *module.WorkerOptions // capacity 1; SetWorker sends, Run receives the latest; never closed
	pushes   sync.WaitGroup

	// Set by Configure, read by any goroutine.
	stopDrain   atomic.Int64 // time for running jobs when the server stops, in nanoseconds
	reloadDrain atomic.Int64 // the same when a reload replaces the worker

	// Guarded by mu.
	mu      sync.Mutex
	worker  *queue.Worker              // the current worker, or the last; nil before the first
	queue   string                     // the queue of that worker
	taking  bool                       // whether that worker takes jobs
	running map[*queue.Worker]struct{} // workers whose Run has not returned: the current one, and retired ones that finish their jobs
	past    queue.Counters             // of the other workers
	failed  []queue.Failure            // of the other workers, oldest first
}

// New returns a service that does not connect yet. applied are the jobs that must not run again.
func New(c config.Config, applied *persist.AppliedJobs, log *slog.Logger) *Service {
	s := &Service{
		settings: c.Queue, applied: applied, log: log, requests: make(chan *module.WorkerOptions, 1), running: map[*queue.Worker]struct{}{},
	}
	s.Configure(c)
	if c.Queue.Driver == config.DriverMemory {
		applied.Clear() // they are of another queue, or one that is lost
	}
	s.driver, s.client = connect(c.Queue, log)
	return s
}

// Configure applies the settings that may change while the server runs.
func (s *Service) Configure(c config.Config) {
	s.stopDrain.Store(int64(c.Stop.Drain))
	s.reloadDrain.Store(int64(c.Lua.Drain))
}

// SetWorker sets how jobs are taken from now on; if w is nil, none are. It never blocks. Only the loop may call it.
func (s *Service) SetWorker(w *module.WorkerOptions) {
	select {
	case <-s.requests: // an earlier one that Run has not received
	default:
	}
	s.requests <- w
}

// Run takes jobs as SetWorker says, until ctx ends and the running jobs have finished or been given back.
func (s *Service) Run(ctx context.Context, h queue.Handler) {
	var running sync.WaitGroup
	defer running.Wait()
	var current *module.WorkerOptions
	retire, logged := func() {}, false
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-s.requests:
			if s.driver == nil {
				if w != nil && !logged {
					logged = true
					s.log.Info("jobqueue: no jobs are taken", "setting", "queue.driver", "value", config.DriverOff)
				}
				continue
			}
			if current == w || current != nil && w != nil && *current == *w {
				continue
			}
			retire()
			current, retire = w, s.start(ctx, &running, w, h)
		}
	}
}

// start runs a worker until retire is called: then it takes no more jobs, and its running jobs have as long as handlers of
// replaced scripts.
func (s *Service) start(ctx context.Context, running *sync.WaitGroup, w *module.WorkerOptions, h queue.Handler) (retire func()) {
	if w == nil {
		return func() {}
	}
	worker := s.newWorker(*w, h)
	running.Go(func() {
		worker.Run(ctx)
		s.stopTaking(worker)
		s.addPast(worker)
	})
	return func() {
		worker.Retire(time.Duration(s.reloadDrain.Load()))
		s.stopTaking(worker)
	}
}

// newWorker returns the worker that a script asks for, and makes it the current one.
func (s *Service) newWorker(w module.WorkerOptions, h queue.Handler) *queue.Worker {
	c := s.settings
	name := cmp.Or(w.Queue, c.Name)
	worker := queue.NewWorker(queue.Options{
		Name:           name,
		Service:        c.Driver,
		TTR:            timeToRun(c),
		Window:         cmp.Or(w.Window, c.Window),
		MaxAttempts:    c.MaxAttempts,
		HandlerTimeout: c.HandlerTimeout.Std(),
		Drain:          func() time.Duration { return time.Duration(s.stopDrain.Load()) },
		Map:            c.Map,
		OptionalHint:   optionalHint(c),
		Applied:        s.applied.List(),
		Forgotten:      s.applied.Remove,
	}, s.driver, h, s.log)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worker, s.queue, s.taking = worker, name, true
	s.running[worker] = struct{}{}
	return worker
}

// optionalHint says how to do without the queue service, or is "" if the settings differ from the defaults and so ask for one.
func optionalHint(c config.Queue) string {
	defaults := config.Default().Queue
	if c.Driver != defaults.Driver || c.Address != defaults.Address {
		return ""
	}
	return `for a queue inside the server: [queue] driver = "memory"; for none: driver = "off"`
}

// Status is the state of a server's jobs.
type Status struct {
	Queue     string       // its name; "" before jobs are taken
	Taking    bool         // whether jobs are taken
	Condition string       // whether jobs are taken and the queue can be reached, in a few words without addresses
	Worker    queue.Status // of the current worker, with the counters of all workers so far
}

// Status returns the state of the jobs.
func (s *Service) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{Queue: s.queue, Condition: "no jobs are taken"}
	if s.driver == nil {
		status.Condition = config.DriverOff
	}
	if s.worker == nil {
		return status
	}
	status.Taking, status.Worker = s.taking, s.worker.Status()
	status.Worker.Counters = s.counters()
	switch {
	case !s.taking:
	case status.Worker.Connected:
		status.Condition = "connected"
	default:
		status.Condition = status.Worker.Summary + " since " + status.Worker.Since.UTC().Format(time.RFC3339)
	}
	return status
}

// stopTaking records that a worker takes no more jobs.
func (s *Service) stopTaking(worker *queue.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.worker == worker {
		s.taking = false
	}
}

// addPast keeps the counters and failures of a worker that has ended.
func (s *Service) addPast(worker *queue.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = lastFailures(append(s.failed, worker.Failed()...))
	delete(s.running, worker)
	s.past.Add(worker.Status().Counters)
}

// Counters returns the sums of all workers so far.
func (s *Service) Counters() queue.Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counters()
}

func (s *Service) counters() queue.Counters {
	sums := s.past
	for worker := range s.running {
		sums.Add(worker.Status().Counters)
	}
	return sums
}

// Failed returns the last failures of all workers so far, oldest first.
func (s *Service) Failed() []queue.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.failed)
	for worker := range s.running {
		all = append(all, worker.Failed()...)
	}
	return lastFailures(all)
}

// lastFailures sorts failures by time and returns as many of the last as one worker keeps.
func lastFailures(all []queue.Failure) []queue.Failure {
	slices.SortStableFunc(all, func(a, b queue.Failure) int { return a.Time.Compare(b.Time) })
	return all[max(0, len(all)-queue.MaxFailures):]
}

// Push puts a job of a script, and calls done with the result. cancel gives it up.
func (s *Service) Push(p module.Push, done func(id uint64, err error)) (cancel func()) {
	ctx, cancel := context.WithCancel(context.Background())
	s.pushes.Go(func() {
		defer cancel()
		done(s.push(ctx, p))
	})
	return cancel
}

// push puts a job of a script. The error is shown to the script.
func (s *Service) push(ctx context.Context, p module.Push) (uint64, error) {
	text, err := Body(p.Command, p.Arguments)
	if err != nil {
		return 0, err
	}
	delay := p.Delay
	if rest := delay % time.Second; rest > 0 && s.settings.Driver != config.DriverMemory {
		delay += time.Second - rest
	}
	return s.Put(ctx, queue.PutRequest{Queue: s.settings.Name, Body: text, Delay: delay, Priority: p.Priority})
}

// Put puts a job. A queue in memory can be reached only by this method and Push.
func (s *Service) Put(ctx context.Context, r queue.PutRequest) (id uint64, err error) {
	if s.client == nil {
		return 0, errNoQueue
	}
	return s.client.Put(ctx, r)
}

// Admin returns the administration of the queue and the name of the one whose jobs are taken, or an error if there is no queue.
func (s *Service) Admin() (admin queue.Admin, name string, err error) {
	if s.client == nil {
		return nil, "", errNoQueue
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client, cmp.Or(s.queue, s.settings.Name), nil
}

// Close closes the connection. It must be called after the scripts have ended.
func (s *Service) Close() {
	s.pushes.Wait() // each was cancelled with the handler that waited for it
	if s.client == nil {
		return
	}
	if q, ok := s.client.(*memory.Queue); ok {
		if all, delayed, buried := q.Remaining(); all > 0 {
			s.log.Warn("jobqueue: the jobs of the queue in memory are lost", "jobs", all, "delayed", delayed, "buried", buried)
		}
	}
	if err := s.client.Close(); err != nil {
		s.log.Debug("jobqueue: closing the queue failed", "error", err)
	}
}
