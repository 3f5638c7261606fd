package process

import (
	"errors"
	"slices"
)

// maxWrite is how many bytes of input are taken at once, as many as a pipe usually holds.
const maxWrite = 64 << 10

// Write hands the program some input. It never waits: the error is ErrFull where too much waits already, ErrEnded or
// ErrInputClosed.
func (p *Process) Write(text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over || p.ended:
		return ErrEnded
	case p.rehearsed:
		return nil
	case p.inputEnd || p.refused:
		return ErrInputClosed
	case len(p.input)+len(text) > maxInput:
		return ErrFull
	}
	p.input = append(p.input, text...)
	p.changed.Broadcast()
	return nil
}

// writeWait hands the program some input and waits until there is room, or the process is over, or giveUp says so.
func (p *Process) writeWait(text string, giveUp func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.over && !p.rehearsed && !giveUp() && (p.refused || len(p.input)+len(text) > maxInput) {
		p.changed.Wait()
	}
	if p.over || p.rehearsed || giveUp() {
		return
	}
	p.input = append(p.input, text...)
	p.changed.Broadcast()
}

// endInput closes the input after what was written before.
func (p *Process) endInput() {
	p.mu.Lock()
	p.inputEnd = true
	p.changed.Broadcast()
	p.mu.Unlock()
}

// feed writes the input to a run until that ends.
func (p *Process) feed(r *run) {
	for {
		text := p.takeInput(r)
		if text == nil {
			_ = r.stdin.Close() // follow may have been first
			return
		}
		if _, err := r.stdin.Write(text); err != nil {
			p.mu.Lock()
			if p.run == r {
				p.refused, p.input = true, nil
			}
			p.mu.Unlock()
			return
		}
	}
}

// takeInput waits for input and returns it, or nil where there will be none for this run.
func (p *Process) takeInput(r *run) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.run == r && len(p.input) == 0 && !p.inputEnd {
		p.changed.Wait()
	}
	if p.run != r || len(p.input) == 0 {
		return nil
	}
	n := min(len(p.input), maxWrite)
	text := slices.Clone(p.input[:n])
	if p.input = p.input[n:]; len(p.input) == 0 {
		p.input = nil
	}
	p.changed.Broadcast()
	return text
}

// Pipe has the output of one process go to the input of another, as fast as that reads. What nobody has taken of the
// output goes there first; no lines of it become events any more. The end of one ends the other: the input of to is
// closed, or from is terminated. Two that are piped so already stay so.
func Pipe(from, to *Process) error {
	if from == to {
		return errors.New("a process cannot be piped to itself")
	}
	fromOver, toOver, err := connect(from, to)
	if err != nil {
		return err
	}
	if fromOver {
		to.endInput()
	}
	if toOver {
		from.Terminate()
	}
	return nil
}

func connect(from, to *Process) (fromOver, toOver bool, err error) {
	// Nothing else holds two of these at once; whoever calls Pipe does it from one goroutine.
	from.mu.Lock()
	defer from.mu.Unlock()
	to.mu.Lock()
	defer to.mu.Unlock()
	switch {
	case from.to == to:
		return false, false, nil
	case from.to != nil:
		return false, false, errors.New("the output is piped already")
	case to.from != nil:
		return false, false, errors.New("the input is piped already")
	}
	from.to, to.from = to, from
	to.input = append(to.input, from.takeOutput()...)
	from.changed.Broadcast()
	to.changed.Broadcast()
	return from.over, to.over, nil
}
