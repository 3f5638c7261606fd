// Package process runs other programs for scripts: only those that the settings name, each in a process group of its own,
// without a shell and without the server's environment. It bounds what they say, what waits to be said to them, how many
// they are and how long they take to end. It knows no script and no loop; whoever starts a process takes its events.
package process

import (
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
)

// Bounds of every process.
const (
	maxLine   = 64 << 10 // bytes; a longer line comes in pieces
	maxOutput = 1 << 20  // bytes of events that nobody has taken; then the program is not read any further
	eventCost = 64       // bytes that an event counts for besides its text
	maxInput  = 1 << 20  // bytes that wait to be read by the program
	maxArgs   = 64       // arguments beside the fixed ones
	maxArg    = 4 << 10  // bytes of one of them
)

// How long things take. Tests have their own.
type delays struct {
	kill        time.Duration // from SIGTERM to SIGKILL
	stop        time.Duration // the same, where the server stops
	first, last time.Duration // the pause before a restart: doubled each time, up to last
	steady      time.Duration // a run that lasts so long begins with the first pause again
}

// Errors of Start that are no mistake of whoever asks.
var (
	ErrTooMany = errors.New("too many processes")
	ErrClosed  = errors.New("the server is stopping")
)

// Program is one that may be started.
type Program struct {
	// Command is its absolute path and its fixed arguments.
	Command []string
	// Args is a regular expression that each further argument must match as a whole; "" allows none.
	Args string
	// Env is its environment, to which only PATH is added.
	Env map[string]string
	// Cwd is its working directory; "" is that of the server.
	Cwd string
}

// Options say what may run.
type Options struct {
	Programs map[string]Program // by the name that scripts use
	// Max is how many processes there may be at once, those that wait for their restart included.
	Max int
	// Path is the PATH of programs whose Env has none.
	Path string
	Log  *slog.Logger
}

// Request says what to start, and what is wanted of it.
type Request struct {
	Name string   // of the program
	Args []string // after the fixed ones
	// Restart starts it again whenever it ends by itself, after a pause.
	Restart bool
	// Output and Errors tell which lines become events; others are dropped.
	Output, Errors bool
	// Ready is called on any goroutine when there is something to Take again. It may block: that is back-pressure.
	Ready func()
}

// Supervisor starts processes and ends all of them. Any goroutine may use it.
type Supervisor struct {
	// Set by New, never changed.
	options  Options
	patterns map[string]*regexp.Regexp // by program; only of those that take arguments
	delays   delays

	running sync.WaitGroup // one for each of processes
	thread  sync.WaitGroup // the starter

	// Guarded by mu.
	mu        sync.Mutex
	processes map[*Process]bool
	closed    bool
	starts    chan start // Start and restarts send, the starter receives, Close closes; nil until the first start
}

// start is one program that the starter shall start.
type start struct {
	cmd  *exec.Cmd
	done chan<- error // capacity 1
}

// New returns a supervisor of no process. The owner closes it. The error names a pattern that is none.
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

// check tells whether the settings allow a request.
func (s *Supervisor) check(r Request) error {
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

// Allowed returns the error of Start for what the settings do not allow.
func (s *Supervisor) Allowed(r Request) error { return s.check(r) }

// Start starts a program. The error is that of Allowed, ErrTooMany, ErrClosed, or says why the system cannot run it.
func (s *Supervisor) Start(r Request) (*Process, error) {
	if err := s.check(r); err != nil {
		return nil, err
	}
	p := newProcess(s, r)
	if err := s.enter(p); err != nil {
		return nil, err
	}
	first, err := p.begin()
	if err != nil {
		s.leave(p)
		s.running.Done()
		return nil, err
	}
	s.options.Log.Info("process: started", "process", r.Name, "pid", first.pid)
	go func() { // Close waits for it; enter has counted it, so that Close cannot miss it
		defer s.running.Done()
		defer s.leave(p)
		p.supervise(first)
	}()
	return p, nil
}

// enter counts a process that is about to start, where there may be one more.
func (s *Supervisor) enter(p *Process) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case len(s.processes) >= s.options.Max:
		return fmt.Errorf("%w: %d run already", ErrTooMany, len(s.processes))
	}
	s.processes[p] = true
	s.running.Add(1)
	if s.starts == nil {
		starts := make(chan start)
		s.starts = starts
		s.thread.Go(func() { starter(starts) })
	}
	return nil
}

func (s *Supervisor) leave(p *Process) {
	s.mu.Lock()
	delete(s.processes, p)
	s.mu.Unlock()
}

// starter starts programs from one thread that lives as long as they do: Pdeathsig counts the thread, not the server, as
// the parent (prctl(2), PR_SET_PDEATHSIG).
func starter(starts <-chan start) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for s := range starts {
		s.done <- s.cmd.Start()
	}
}

// start has the starter start a program, for a process that has entered.
func (s *Supervisor) start(cmd *exec.Cmd) error {
	s.mu.Lock()
	starts := s.starts
	s.mu.Unlock()
	done := make(chan error, 1)
	starts <- start{cmd, done}
	return <-done
}

// Close ends all processes: SIGTERM, and after 1.5 s, or where ctx ends before, SIGKILL. It returns when none is left; none
// can be started any more. It may be called again.
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
