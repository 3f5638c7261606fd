package process

import "syscall"

// Play is what a played process does.
type Play struct {
	// Output and Errors are the lines that it says, without newlines.
	Output, Errors []string
	// Code is what it ends with; one that stays ends when it is terminated.
	Code  int
	Stays bool
}

// Played returns a process that has no program behind it and does what a play says, each time that Cue is called. It takes
// what is written to it, and is never started again.
func Played(r Request, play Play) *Process {
	p := newProcess(nil, r)
	p.rehearsed, p.play = true, &play
	return p
}

// Cue has a played process say its lines, and end where its end has come. It tells whether anything happened. One goroutine
// calls it, and not the one that takes the events.
func (p *Process) Cue() bool {
	said := p.speak()
	return p.leave() || said
}

// speak says the lines, the first time.
func (p *Process) speak() bool {
	p.mu.Lock()
	silent := p.spoken || p.ended
	p.spoken = true
	p.mu.Unlock()
	if silent {
		return false
	}
	for _, line := range p.play.Output {
		p.push(Event{Kind: Output, Text: line + "\n"})
	}
	for _, line := range p.play.Errors {
		p.push(Event{Kind: Errors, Text: line + "\n"})
	}
	return true
}

// leave ends the process when its time has come.
func (p *Process) leave() bool {
	p.mu.Lock()
	terminated, first := p.ended, !p.left
	if p.over || p.play.Stays && !terminated {
		p.mu.Unlock()
		return false
	}
	over := !p.request.Restart || terminated
	if !first {
		p.mu.Unlock()
	} else {
		p.left, p.exited, p.code = true, true, p.play.Code
		if terminated {
			p.code = 128 + int(syscall.SIGTERM)
		}
		p.post(Event{Kind: Exit, Code: p.code})
	}
	if over {
		p.finish()
	}
	return first || over
}
