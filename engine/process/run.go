package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Limits of reading after a program has ended. The pipes are empty then, unless a child has left the process group.
const (
	lateRead = 500 * time.Millisecond
	maxLate  = 1 << 20 // bytes; a pipe holds no more
)

// run is one execution of the program.
type run struct {
	cmd            *exec.Cmd
	pid            int
	stdin          *os.File // feed writes and closes it, wait closes it
	stdout, stderr *os.File // each is read and closed by one goroutine
	exited         atomic.Bool
}

func (p *Process) start() (*run, error) {
	program := p.owner.options.Programs[p.request.Name]
	r := &run{cmd: &exec.Cmd{
		Path:        program.Command[0],
		Args:        slices.Concat(program.Command, p.request.Args),
		Env:         environment(program.Env, p.owner.options.Path),
		Dir:         program.Cwd,
		SysProcAttr: groupAttributes(),
	}}
	childEnds, err := r.openPipes()
	if err == nil {
		err = p.owner.start(r.cmd)
	}
	for _, f := range childEnds {
		_ = f.Close() // the program has copies of them
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("starting %s: %w", p.request.Name, err)
	}
	r.pid = r.cmd.Process.Pid
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run, p.pid, p.inputRefused = r, r.pid, false
	switch {
	case p.killed:
		p.signal(syscall.SIGKILL)
	case p.terminated:
		p.signal(syscall.SIGTERM)
	}
	return r, nil
}

// openPipes creates the pipes to and from the program, and returns its ends of them.
func (r *run) openPipes() (childEnds []*os.File, err error) {
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r.stdin = stdin
	childEnds = append(childEnds, in)
	stdout, out, err := os.Pipe()
	if err != nil {
		return childEnds, err
	}
	r.stdout = stdout
	childEnds = append(childEnds, out)
	stderr, errs, err := os.Pipe()
	if err != nil {
		return childEnds, err
	}
	r.stderr = stderr
	childEnds = append(childEnds, errs)
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = in, out, errs
	return childEnds, nil
}

// close closes the pipes of a program that could not be started.
func (r *run) close() {
	for _, f := range []*os.File{r.stdin, r.stdout, r.stderr} {
		if f != nil {
			_ = f.Close() // nothing was written to it
		}
	}
}

// environment returns the environment of a program, with a PATH.
func environment(env map[string]string, path string) []string {
	list := []string{}
	if _, given := env["PATH"]; !given && path != "" {
		list = append(list, "PATH="+path)
	}
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// wait transfers input and output until the program has ended and all its output has been transferred, and returns its exit
// code. It kills the remaining processes of the group.
func (p *Process) wait(r *run) int {
	var streams sync.WaitGroup
	streams.Go(func() { p.read(r, r.stdout, Output) })
	streams.Go(func() { p.read(r, r.stderr, Errors) })
	streams.Go(func() { p.feed(r) })
	r.awaitExit()
	p.mu.Lock()
	p.signal(syscall.SIGKILL)
	p.run = nil
	p.changed.Broadcast()
	p.mu.Unlock()
	_ = r.cmd.Wait() // ProcessState has more than the error; awaitExit may have called it
	r.exited.Store(true)
	deadline := time.Now().Add(lateRead)
	_ = r.stdout.SetReadDeadline(deadline)
	_ = r.stderr.SetReadDeadline(deadline)
	_ = r.stdin.Close() // there is no reader any more
	streams.Wait()
	if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return r.cmd.ProcessState.ExitCode()
}

// read reads the lines of a pipe and pushes them.
func (p *Process) read(r *run, from *os.File, kind Kind) {
	defer func() { _ = from.Close() }() // no data can be lost
	lines := bufio.NewReaderSize(&limitedTail{file: from, run: r}, maxLine)
	for {
		text, err := lines.ReadSlice('\n')
		if len(text) > 0 {
			p.push(Event{Kind: kind, Text: string(text)})
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// limitedTail reads a pipe of a run, with limits once the run has ended.
type limitedTail struct {
	file *os.File
	run  *run
	late int // bytes read after the end of the run
}

func (t *limitedTail) Read(to []byte) (int, error) {
	exited := t.run.exited.Load()
	if exited {
		if t.late >= maxLate {
			return 0, io.EOF
		}
		_ = t.file.SetReadDeadline(time.Now().Add(lateRead)) // without the time that push has waited
	}
	n, err := t.file.Read(to)
	if exited {
		t.late += n
	}
	return n, err
}
