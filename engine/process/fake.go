package process

import "syscall"

// Fake describes the behaviour of a fake process.
type Fake struct {
	// Output and Errors are the lines that it writes, without newlines.
	Output, Errors []string
	// Code is its exit code. If Stays is set, it ends only when it is terminated, or when OnInput ends it.
	Code  int
	Stays bool
	// OnInput is called by Advance with each text that is written to it, and returns what it does then. Optional.
	OnInput func(text string) Reaction
}

// Reaction is what a fake process does with its input: it writes lines, and then ends if Ends is set.
type Reaction struct {
	Output, Errors []string
	Ends           bool
	Code           int // its exit code
}

// NewFake returns a process without a program. It does what f says, as Advance is called. It is never restarted.
func NewFake(r Request, f Fake) *Process {
	p := newProcess(nil, r)
	p.simulated, p.fake = true, &f
	return p
}

// Advance lets a fake process write its lines, react to its input, and end if its time has come. It reports whether anything
// happened. It must not be called by the goroutine that takes the events, nor by several at once.
func (p *Process) Advance() bool {
	wrote := p.writeFakeLines()
	reacted := p.react()
	return p.endFake() || wrote || reacted
}

// react lets a fake process react to the next text that was written to it. It reports whether there was any.
func (p *Process) react() bool {
	p.mu.Lock()
	if len(p.fakeInput) == 0 || p.terminated || p.fakeExited {
		p.fakeInput = nil
		p.mu.Unlock()
		return false
	}
	text := p.fakeInput[0]
	p.fakeInput = p.fakeInput[1:]
	p.mu.Unlock()
	does := p.fake.OnInput(text)
	p.writeLines(does.Output, does.Errors)
	if does.Ends {
		p.mu.Lock()
		p.fake.Stays, p.fake.Code = false, does.Code
		p.mu.Unlock()
	}
	return true
}

// writeLines writes lines as the program would.
func (p *Process) writeLines(output, errors []string) {
	for _, line := range output {
		p.push(Event{Kind: Output, Text: line + "\n"})
	}
	for _, line := range errors {
		p.push(Event{Kind: Errors, Text: line + "\n"})
	}
}

// takeFakeInput queues input for a fake process. The caller holds mu.
func (p *Process) takeFakeInput(text string) {
	if p.fake != nil && p.fake.OnInput != nil {
		p.fakeInput = append(p.fakeInput, text)
	}
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
	p.writeLines(p.fake.Output, p.fake.Errors)
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
