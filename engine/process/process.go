package process

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Errors of Write. Scripts see them, so they are sentences without the name of this package.
var (
	ErrEnded       = errors.New("it has ended")
	ErrInputClosed = errors.New("its input is closed")
	ErrFull        = errors.New("it reads too slowly: 1 MiB is waiting")
)

// notStarted is the exit code of a restart that failed, as in shells.
const notStarted = 127

// Kind is the kind of an Event.
type Kind int

// The events of a process come in this order: lines, then an Exit; the same again after each restart; in the end Finished.
const (
	Output   Kind = iota // a line of standard output
	Errors               // a line of standard error
	Exit                 // the program has ended
	Finished             // it will not be restarted
)

// Event is something that happened to a process.
type Event struct {
	Kind Kind
	Text string // of a line, with its newline if it has one
	Code int    // of Exit: the exit code, or 128 plus the signal that ended it
}

// Process is a program that runs, waits for its restart or has ended. It is safe for concurrent use.
type Process struct {
	// Set by Start, never changed.
	owner   *Supervisor
	request Request
	ending  chan struct{} // closed when terminated is set

	discard atomic.Bool // its output is dropped instead of waiting to be taken

	// Guarded by mu, as are the fields of request that HandOver changes.
	mu         sync.Mutex
	changed    *sync.Cond // broadcast when anything below changes
	run        *run       // nil unless the program can be sent signals
	pid        int        // of the last run
	code       int        // exit code of the last run that has ended
	exited     bool       // code is set
	terminated bool       // it must not be restarted
	killed     bool
	finished   bool
	killTimer  *time.Timer // set by Terminate

	simulated  bool     // it has no program
	fake       *Fake    // of NewFake
	fakeInput  []string // that OnInput has not seen
	fakeWrote  bool     // the fake has written its lines
	fakeExited bool

	drop   bool // lines of output that are not wanted are dropped
	events []Event
	size   int  // of events, in bytes
	notify bool // Ready must be called for the next event

	input        []byte
	inputEnded   bool // there will be no more input
	inputRefused bool // this run has closed its input

	to, from *Process // set by Pipe
}

func newProcess(s *Supervisor, r Request) *Process {
	p := &Process{owner: s, request: r, ending: make(chan struct{}), notify: true}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// NewSimulated returns a process without a program. It seems to run until it is terminated, and writes nothing.
func NewSimulated(r Request) *Process {
	p := newProcess(nil, r)
	p.simulated = true
	return p
}

// HandOver gives a process to a new owner: from now on Restart, Output, Errors and Ready of r apply. Events that the previous owner
// has not taken go to the new owner, which must call Take without waiting for Ready.
func (p *Process) HandOver(r Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request.Restart, p.request.Output, p.request.Errors = r.Restart, r.Output, r.Errors
	p.request.Ready, p.notify = r.Ready, false
	p.changed.Broadcast()
}

// PID returns the process ID of the last run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// Running reports whether the program runs now.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run != nil || p.simulated && !p.terminated && !p.fakeExited
}

// ExitCode returns the exit code of the last run that has ended, and whether there is one.
func (p *Process) ExitCode() (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code, p.exited
}

// Terminate ends the process without a restart: it sends SIGTERM to the process group now, and SIGKILL after 5 s. It does not wait.
func (p *Process) Terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finished || p.terminated {
		return
	}
	p.terminated = true
	close(p.ending)
	if p.simulated {
		p.exited = true
		return
	}
	p.signal(syscall.SIGTERM)
	p.killTimer = time.AfterFunc(p.owner.delays.kill, p.kill)
}

// kill ends a process that Terminate has not ended.
func (p *Process) kill() {
	p.mu.Lock()
	p.killed = true
	p.discard.Store(true)
	p.signal(syscall.SIGKILL)
	to := p.to
	p.changed.Broadcast()
	p.mu.Unlock()
	if to != nil {
		to.mu.Lock() // the reader of p may wait for room in to
		to.changed.Broadcast()
		to.mu.Unlock()
	}
}

// signal sends a signal to the processes of the run. The caller holds mu.
func (p *Process) signal(s syscall.Signal) {
	if p.run != nil {
		p.run.signal(s)
	}
}

// DropUnwanted drops lines of output that Request.Output does not want, from now on. Before that they are kept for Pipe.
func (p *Process) DropUnwanted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop = true
	if !p.request.Output {
		p.takeOutput()
	}
	p.changed.Broadcast()
}

// takeOutput removes the lines of output from the events and returns them. The caller holds mu.
func (p *Process) takeOutput() []byte {
	var text []byte
	var rest []Event
	p.size = 0
	for _, e := range p.events {
		if e.Kind == Output {
			text = append(text, e.Text...)
			continue
		}
		rest = append(rest, e)
		p.size += len(e.Text) + eventCost
	}
	p.events = rest
	return text
}

// Take returns the next event, if there is one. If there is none, Ready is called once when there is.
func (p *Process) Take() (Event, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.events) > 0 {
		e := p.events[0]
		p.events[0] = Event{}
		p.events = p.events[1:]
		p.size -= len(e.Text) + eventCost
		p.changed.Broadcast()
		if e.Kind != Output || p.request.Output {
			return e, true
		}
	}
	p.events, p.notify = nil, true
	return Event{}, false
}

// push adds a line to the events, or sends it to the process that Pipe has connected. It waits while there is no room.
func (p *Process) push(e Event) {
	p.mu.Lock()
	for {
		if p.discard.Load() || e.Kind == Errors && !p.request.Errors {
			p.mu.Unlock()
			return
		}
		if e.Kind == Output && p.to != nil {
			to := p.to
			p.mu.Unlock()
			to.writeWait(e.Text, p.discard.Load)
			return
		}
		if e.Kind == Output && p.drop && !p.request.Output {
			p.mu.Unlock()
			return
		}
		if len(p.events) == 0 || p.size+len(e.Text)+eventCost <= maxOutput {
			break
		}
		p.changed.Wait()
	}
	p.post(e)
}

// post adds an event without a limit. The caller holds mu; post unlocks it.
func (p *Process) post(e Event) {
	p.events = append(p.events, e)
	p.size += len(e.Text) + eventCost
	notify, ready := p.notify, p.request.Ready
	p.notify = false
	p.mu.Unlock()
	if notify && ready != nil {
		ready()
	}
}

// supervise waits for the end of the program, and restarts it if that is wanted.
func (p *Process) supervise(r *run) {
	log, d := p.owner.options.Log, p.owner.delays
	pause := d.first
	for {
		code := notStarted
		if r != nil {
			began := time.Now()
			code = p.wait(r)
			if time.Since(began) >= d.steady {
				pause = d.first
			}
			log.Info("process: ended", "process", p.request.Name, "pid", r.pid, "code", code)
		}
		p.mu.Lock()
		p.code, p.exited = code, true
		restart := p.request.Restart && !p.terminated
		p.post(Event{Kind: Exit, Code: code})
		if !restart || !p.pause(pause) {
			break
		}
		pause = min(2*pause, d.last)
		var err error
		if r, err = p.start(); err != nil {
			log.Error("process: restart failed", "process", p.request.Name, "error", err)
			continue
		}
		log.Info("process: restarted", "process", p.request.Name, "pid", r.pid)
	}
	p.finish()
}

// pause waits before a restart, and reports whether it is still wanted.
func (p *Process) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ending:
		return false
	}
}

// finish marks the process as finished, and ends the processes that it is piped to and from.
func (p *Process) finish() {
	p.mu.Lock()
	p.finished, p.input = true, nil
	to, from := p.to, p.from
	if p.killTimer != nil {
		p.killTimer.Stop()
	}
	p.changed.Broadcast()
	p.post(Event{Kind: Finished})
	if to != nil {
		to.endInput()
	}
	if from != nil {
		from.Terminate()
	}
}
