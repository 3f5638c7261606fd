package process

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Errors of Write. Those of this package that scripts see are sentences without its name.
var (
	ErrEnded       = errors.New("it has ended")
	ErrInputClosed = errors.New("its input is closed")
	ErrFull        = errors.New("it reads too slowly: 1 MiB is waiting")
)

// notStarted is the exit code of a restart that did not come about, as shells have it.
const notStarted = 127

// Kind is what an Event tells.
type Kind int

// The events, in the order in which a process has them: lines until an Exit; after a restart the same again; in the end
// Over.
const (
	Output Kind = iota // a line of standard output
	Errors             // a line of standard error
	Exit               // the program has ended
	Over               // it will not be started again
)

// Event is what happened to a process.
type Event struct {
	Kind Kind
	Text string // of a line, with its newline if it has one
	Code int    // of Exit: the exit code, or 128 and the signal that ended it
}

// Process is a program that runs, or waits for its restart, or has ended. Any goroutine may use it.
type Process struct {
	// Set by Start, never changed.
	owner   *Supervisor
	request Request
	ending  chan struct{} // closed with ended

	discard atomic.Bool // nobody waits any more for what it says to be taken

	// Guarded by mu. Of request, what Hand changes.
	mu      sync.Mutex
	changed *sync.Cond // broadcast where anything below changes
	run     *run       // while the program can be sent signals
	pid     int        // of the last run
	code    int        // of the last run that has ended
	exited  bool       // whether code means something
	ended   bool       // it shall not be started again
	killed  bool
	over    bool
	killer  *time.Timer // set by Terminate

	rehearsed bool  // it only seems to run
	play      *Play // of a played one
	spoken    bool  // its lines
	left      bool  // it has ended as the play says

	begun  bool // lines of output that nobody wants are dropped
	events []Event
	size   int  // of events, in bytes
	armed  bool // Ready is to be called for the next event

	input    []byte
	inputEnd bool // no more input comes
	refused  bool // this run reads no input any more

	to, from *Process // set by Pipe
}

func newProcess(s *Supervisor, r Request) *Process {
	p := &Process{owner: s, request: r, ending: make(chan struct{}), armed: true}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// Rehearsed returns a process that seems to run, says nothing and has nothing behind it.
func Rehearsed(r Request) *Process {
	p := newProcess(nil, r)
	p.rehearsed = true
	return p
}

// Hand gives a process to somebody else: from now on it is as r says with Restart, Output, Errors and Ready. What happened
// and was not taken yet is there for the new owner, who takes it without being called. It may run already, or have ended.
func (p *Process) Hand(r Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request.Restart, p.request.Output, p.request.Errors = r.Restart, r.Output, r.Errors
	p.request.Ready, p.armed = r.Ready, false
	p.changed.Broadcast()
}

// PID returns that of the last run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// Running tells whether the program runs now.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run != nil || p.rehearsed && !p.ended && !p.left
}

// ExitCode returns that of the last run that has ended, and whether there was one.
func (p *Process) ExitCode() (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code, p.exited
}

// Terminate ends the process for good: SIGTERM to its group now, SIGKILL after 5 s. It does not wait.
func (p *Process) Terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.ended {
		return
	}
	p.ended = true
	close(p.ending)
	if p.rehearsed {
		p.exited = true
		return
	}
	p.signal(syscall.SIGTERM)
	p.killer = time.AfterFunc(p.owner.delays.kill, p.kill)
}

// kill ends what Terminate has not ended.
func (p *Process) kill() {
	p.mu.Lock()
	p.killed = true
	p.discard.Store(true)
	p.signal(syscall.SIGKILL)
	to := p.to
	p.changed.Broadcast()
	p.mu.Unlock()
	if to != nil {
		to.mu.Lock() // the reader may wait there
		to.changed.Broadcast()
		to.mu.Unlock()
	}
}

// signal sends one to the group of the program. mu is held; as long as run is set the number of the group is its own.
func (p *Process) signal(s syscall.Signal) {
	if p.run != nil {
		_ = syscall.Kill(-p.run.pid, s) // whoever has ended needs none
	}
}

// Begin drops lines of output that nobody wants, from now on; before it, they wait for a Pipe.
func (p *Process) Begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun = true
	if !p.request.Output {
		p.takeOutput()
	}
	p.changed.Broadcast()
}

// takeOutput takes the lines of output out of the events. mu is held.
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

// Take returns the next event; where there is none, Ready is called once there is.
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
	p.events, p.armed = nil, true
	return Event{}, false
}

// push hands over a line; it waits until there is room.
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
		if e.Kind == Output && p.begun && !p.request.Output {
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

// post adds an event, whatever the room, and gives mu back.
func (p *Process) post(e Event) {
	p.events = append(p.events, e)
	p.size += len(e.Text) + eventCost
	ready, call := p.armed, p.request.Ready
	p.armed = false
	p.mu.Unlock()
	if ready && call != nil {
		call()
	}
}

// supervise follows the program to its end, and starts it again where that is wanted.
func (p *Process) supervise(r *run) {
	log, d := p.owner.options.Log, p.owner.delays
	pause := d.first
	for {
		code := notStarted
		if r != nil {
			began := time.Now()
			code = p.follow(r)
			if time.Since(began) >= d.steady {
				pause = d.first
			}
			log.Info("process: ended", "process", p.request.Name, "pid", r.pid, "code", code)
		}
		p.mu.Lock()
		p.code, p.exited = code, true
		again := p.request.Restart && !p.ended
		p.post(Event{Kind: Exit, Code: code})
		if !again || !p.pause(pause) {
			break
		}
		pause = min(2*pause, d.last)
		var err error
		if r, err = p.begin(); err != nil {
			log.Error("process: cannot be started again", "process", p.request.Name, "error", err)
			continue
		}
		log.Info("process: started again", "process", p.request.Name, "pid", r.pid)
	}
	p.finish()
}

// pause waits before a restart, and tells whether that is still wanted.
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

// finish notes that the process is over, and ends those that are piped to and from it.
func (p *Process) finish() {
	p.mu.Lock()
	p.over, p.input = true, nil
	to, from := p.to, p.from
	if p.killer != nil {
		p.killer.Stop()
	}
	p.changed.Broadcast()
	p.post(Event{Kind: Over})
	if to != nil {
		to.endInput()
	}
	if from != nil {
		from.Terminate()
	}
}
