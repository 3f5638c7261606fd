// Package process owns the programs that scripts run: only those that the settings name, each in a process group of its own,
// without a shell and without the server's environment. It limits their output, the input queued for them, their number and the
// time they may take to end. It must not know scripts or the loop: the caller that starts a process takes its events.
package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"perigee/engine/quota"
)

// Limits of every process.
const (
	maxLine   = 64 << 10 // bytes; a longer line comes in pieces
	maxOutput = 1 << 20  // bytes of events not yet taken; beyond that the output is not read
	eventCost = 64       // bytes that an event counts besides its text
	maxInput  = 1 << 20  // bytes queued for the program
	maxArgs   = 64       // arguments after the fixed ones
	maxArg    = 4 << 10  // bytes of one of them
)

// delays are the times that tests shorten.
type delays struct {
	kill        time.Duration // from SIGTERM to SIGKILL
	stop        time.Duration // the same, when the server stops
	first, last time.Duration // the pause before a restart: doubled each time, up to last
	steady      time.Duration // a run of this length resets the pause to first
}

// Errors of Start that do not come from a wrong request.
var (
	ErrTooMany = errors.New("too many processes")
	ErrClosed  = errors.New("the server is stopping")
)

// Program is a program that may be started.
type Program struct {
	// Command is its absolute path and its fixed arguments.
	Command []string
	// Args is a regular expression that each further argument must match completely; "" allows none.
	Args string
	// Env is its environment. Only PATH is added to it.
	Env map[string]string
	// Cwd is its working directory. If it is empty, it is that of the server.
	Cwd string
}

// Options configure a Supervisor.
type Options struct {
	Programs map[string]Program // by the name that scripts use
	// Max is the maximum number of processes, including those that wait for their restart. One owner has no more than it leaves
	// room for those of others.
	Max int
	// Path is the PATH of programs whose Env has none.
	Path string
	Log  *slog.Logger
}

// Request names the program to start and says how to start it.
type Request struct {
	Name string   // of the program
	Args []string // after the fixed ones
	// Owner is on whose behalf the program runs; nil is the server itself.
	Owner *quota.Owner
	// Restart restarts the program after a pause whenever it ends by itself.
	Restart bool
	// Output and Errors are set if its lines of output and of errors are wanted as events. Otherwise they are dropped.
	Output, Errors bool
	// Ready is called by any goroutine when there are events to Take again. It may block, which is back-pressure.
	Ready func()
}

// Supervisor starts processes and ends them. It is safe for concurrent use.
type Supervisor struct {
	// Set by New, never changed.
	options  Options
	patterns map[string]*regexp.Regexp // by program; only of programs that take arguments
	delays   delays

	running sync.WaitGroup // one for each of processes
	thread  sync.WaitGroup // the starter

	// Guarded by mu.
	mu        sync.Mutex
	processes map[*Process]bool
	closed    bool
	starts    chan func() // Start and restarts send, the starter receives and calls, Close closes; nil until the first start
}

// New returns a supervisor without processes. The caller must close it. The error names a pattern that is not valid.
func New(o Options) (*Supervisor, error) {
	s := &Supervisor{
		options:   o,
		patterns:  map[string]*regexp.Regexp{},
		processes: map[*Process]bool{},
		delays: delays{
			kill: 5 * time.Second, stop: 1500 * time.Millisecond,
			first: time.Second, last: 30 * time.Second, steady: time.Minute,
		},
	}
	for name, program := range o.Programs {
		if len(program.Command) == 0 {
			return nil, fmt.Errorf("process: %s has no command", name)
		}
		if program.Args == "" {
			continue
		}
		pattern, err := regexp.Compile(`\A(?:` + program.Args + `)\z`)
		if err != nil {
			return nil, fmt.Errorf("process: %s: args: %w", name, err)
		}
		s.patterns[name] = pattern
	}
	return s, nil
}

// Status is the state of a process.
type Status struct {
	Name string   `json:"name"` // of the program
	Args []string `json:"args,omitempty"`
	PID  int      `json:"pid"` // of the last run
	// Running reports whether it runs now; else it is about to be started again, or to end.
	Running bool `json:"running"`
	Code    *int `json:"code"` // exit code of the last run that has ended; null before the first
}

// List returns the processes that have not ended, sorted by name and process ID.
func (s *Supervisor) List() []Status {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.processes))
	s.mu.Unlock()
	list := []Status{}
	for _, p := range all {
		list = append(list, p.status())
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.PID, b.PID)) })
	return list
}

func (p *Process) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := Status{Name: p.request.Name, Args: slices.Clone(p.request.Args), PID: p.pid, Running: p.run != nil}
	if code := p.code; p.exited {
		status.Code = &code
	}
	return status
}

// Check returns an error if the settings do not allow a request.
func (s *Supervisor) Check(r Request) error {
	program, known := s.options.Programs[r.Name]
	if !known {
		names := slices.Sorted(maps.Keys(s.options.Programs))
		if len(names) == 0 {
			return fmt.Errorf("there is no program %q: server.toml has no [processes.NAME]", r.Name)
		}
		return fmt.Errorf("there is no program %q in server.toml; there are: %s", r.Name, strings.Join(names, ", "))
	}
	pattern := s.patterns[r.Name]
	if len(r.Args) > maxArgs {
		return fmt.Errorf("%s: %d arguments are more than %d", r.Name, len(r.Args), maxArgs)
	}
	for _, arg := range r.Args {
		switch {
		case pattern == nil:
			return fmt.Errorf("%s takes no arguments: processes.%s.args is empty", r.Name, r.Name)
		case len(arg) > maxArg:
			return fmt.Errorf("%s: an argument of %d bytes is longer than %d", r.Name, len(arg), maxArg)
		case strings.IndexByte(arg, 0) >= 0 || !pattern.MatchString(arg):
			return fmt.Errorf("%s: argument %q does not match %q, which is processes.%s.args", r.Name, arg, program.Args, r.Name)
		}
	}
	return nil
}

// Start starts a program. It returns the error of Check, ErrTooMany, ErrClosed, or that of the operating system.
func (s *Supervisor) Start(r Request) (*Process, error) {
	if err := s.Check(r); err != nil {
		return nil, err
	}
	p := newProcess(s, r)
	if err := s.add(p); err != nil {
		return nil, err
	}
	first, err := p.start()
	if err != nil {
		s.remove(p)
		s.running.Done()
		return nil, err
	}
	s.options.Log.Info("process: started", "process", r.Name, "pid", first.pid)
	go func() { // Close waits for it; add has counted it before
		defer s.running.Done()
		defer s.remove(p)
		p.supervise(first)
	}()
	return p, nil
}

// add counts a process that is about to start, or returns an error if there are too many.
func (s *Supervisor) add(p *Process) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case len(s.processes) >= s.options.Max:
		return fmt.Errorf("%w: %d run already", ErrTooMany, len(s.processes))
	case !p.request.Owner.MayTake(quota.Processes, s.options.Max-len(s.processes)):
		return fmt.Errorf("%w: the rest is for other connections, jobs and timers", ErrTooMany)
	}
	s.processes[p] = true
	p.request.Owner.Add(quota.Processes, 1)
	s.running.Add(1)
	if s.starts == nil {
		starts := make(chan func())
		s.starts = starts
		s.thread.Go(func() { runStarter(starts) })
	}
	return nil
}

func (s *Supervisor) remove(p *Process) {
	s.mu.Lock()
	delete(s.processes, p)
	p.request.Owner.Add(quota.Processes, -1)
	s.mu.Unlock()
}

// runStarter starts programs on one thread that lives as long as they do: for Pdeathsig that thread, not the server, is the
// parent (prctl(2), PR_SET_PDEATHSIG).
func runStarter(starts <-chan func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for start := range starts {
		start()
	}
}

// start starts a program on the thread of the starter.
func (s *Supervisor) start(cmd *exec.Cmd) error {
	s.mu.Lock()
	starts := s.starts
	s.mu.Unlock()
	done := make(chan error, 1)
	starts <- func() { done <- cmd.Start() }
	return <-done
}

// Close ends all processes with SIGTERM, and after 1.5 s, or when ctx ends, with SIGKILL. It returns when none is left. After that
// none can be started. Additional calls are no-ops.
func (s *Supervisor) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	left := slices.Collect(maps.Keys(s.processes))
	s.mu.Unlock()
	for _, p := range left {
		p.Terminate()
	}
	kill := func() {
		for _, p := range left {
			p.kill()
		}
	}
	late := time.AfterFunc(s.delays.stop, kill)
	defer late.Stop()
	defer context.AfterFunc(ctx, kill)()
	s.running.Wait()
	s.mu.Lock()
	if s.starts != nil {
		close(s.starts)
		s.starts = nil
	}
	s.mu.Unlock()
	s.thread.Wait()
}
