package process

import (
	"errors"
	"slices"
)

// maxWrite is how many bytes of input are written at once, as many as a pipe usually holds.
const maxWrite = 64 << 10

// Write queues input for the program. It never waits: it returns ErrFull if too much is queued already, ErrEnded or
// ErrInputClosed.
func (p *Process) Write(text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.finished || p.terminated:
		return ErrEnded
	case p.simulated:
		p.takeFakeInput(text)
		return nil
	case p.inputEnded || p.inputRefused:
		return ErrInputClosed
	case len(p.input)+len(text) > maxInput:
		return ErrFull
	}
	p.input = append(p.input, text...)
	p.changed.Broadcast()
	return nil
}

// writeWait queues input for the program. It waits while there is no room, until the process has finished or giveUp returns true.
func (p *Process) writeWait(text string, giveUp func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.finished && !p.simulated && !giveUp() && (p.inputRefused || len(p.input)+len(text) > maxInput) {
		p.changed.Wait()
	}
	if p.simulated {
		p.takeFakeInput(text)
		return
	}
	if p.finished || giveUp() {
		return
	}
	p.input = append(p.input, text...)
	p.changed.Broadcast()
}

// endInput closes the input once the queued input has been written.
func (p *Process) endInput() {
	p.mu.Lock()
	p.inputEnded = true
	p.changed.Broadcast()
	p.mu.Unlock()
}

// feed writes the queued input to a run until that ends.
func (p *Process) feed(r *run) {
	for {
		text := p.takeInput(r)
		if text == nil {
			_ = r.stdin.Close() // wait may have closed it already
			return
		}
		if _, err := r.stdin.Write(text); err != nil {
			p.mu.Lock()
			if p.run == r {
				p.inputRefused, p.input = true, nil
			}
			p.mu.Unlock()
			return
		}
	}
}

// takeInput waits for input and returns it. It returns nil if there will be no more for this run.
func (p *Process) takeInput(r *run) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.run == r && len(p.input) == 0 && !p.inputEnded {
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

// Pipe sends the output of one process to the input of another, as fast as that reads. Output that has not been taken yet goes
// first; later lines do not become events. The end of one process ends the other: the input of to is closed, or from is terminated.
// If the two are piped already, Pipe is a no-op.
func Pipe(from, to *Process) error {
	if from == to {
		return errors.New("a process cannot be piped to itself")
	}
	fromFinished, toFinished, err := connect(from, to)
	if err != nil {
		return err
	}
	if fromFinished {
		to.endInput()
	}
	if toFinished {
		from.Terminate()
	}
	return nil
}

// connect sets the fields of Pipe, and reports which of the processes have finished already.
func connect(from, to *Process) (fromFinished, toFinished bool, err error) {
	// Only Pipe locks two processes at once, and it is called by one goroutine only.
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
	return from.finished, to.finished, nil
}
