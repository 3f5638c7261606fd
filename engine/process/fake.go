package process

import "syscall"

// Fake describes the behaviour of a fake process.
type Fake struct {
	// Output and Errors are the lines that it writes, without newlines.
	Output, Errors []string
	// Code is its exit code. If Stays is set, it ends only when it is terminated.
	Code  int
	Stays bool
}

// NewFake returns a process without a program. It does what f says, as Advance is called. It accepts input, and is never
// restarted.
func NewFake(r Request, f Fake) *Process {
	p := newProcess(nil, r)
	p.simulated, p.fake = true, &f
	return p
}

// Advance lets a fake process write its lines, and end if its time has come. It reports whether anything happened. It must not
// be called by the goroutine that takes the events, nor by several at once.
func (p *Process) Advance() bool {
	wrote := p.writeFakeLines()
	return p.endFake() || wrote
}

// writeFakeLines writes the lines. Additional calls are no-ops.
func (p *Process) writeFakeLines() bool {
	p.mu.Lock()
	silent := p.fakeWrote || p.terminated
	p.fakeWrote = true
	p.mu.Unlock()
	if silent {
		return false
	}
	for _, line := range p.fake.Output {
		p.push(Event{Kind: Output, Text: line + "\n"})
	}
	for _, line := range p.fake.Errors {
		p.push(Event{Kind: Errors, Text: line + "\n"})
	}
	return true
}

// endFake ends the process if its time has come.
func (p *Process) endFake() bool {
	p.mu.Lock()
	terminated, first := p.terminated, !p.fakeExited
	if p.finished || p.fake.Stays && !terminated {
		p.mu.Unlock()
		return false
	}
	finished := !p.request.Restart || terminated
	if !first {
		p.mu.Unlock()
	} else {
		p.fakeExited, p.exited, p.code = true, true, p.fake.Code
		if terminated {
			p.code = 128 + int(syscall.SIGTERM)
		}
		p.post(Event{Kind: Exit, Code: p.code})
	}
	if finished {
		p.finish()
	}
	return first || finished
}
