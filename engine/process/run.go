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
	"unsafe"
)

// What is still read once a program has ended: pipes are empty then, unless somebody has left its group.
const (
	lateRead = 500 * time.Millisecond
	maxLate  = 1 << 20 // bytes, the most that a pipe holds
)

// run is a program from its start to its end.
type run struct {
	cmd            *exec.Cmd
	pid            int
	stdin          *os.File // feed writes and closes, follow closes
	stdout, stderr *os.File // read by one goroutine each, closed by it
	exited         atomic.Bool
}

// begin starts the program.
func (p *Process) begin() (*run, error) {
	program := p.owner.options.Programs[p.request.Name]
	r := &run{cmd: &exec.Cmd{
		Path:        program.Command[0],
		Args:        slices.Concat(program.Command, p.request.Args),
		Env:         environment(program.Env, p.owner.options.Path),
		Dir:         program.Cwd,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}}
	theirs, err := r.pipes()
	if err == nil {
		err = p.owner.start(r.cmd)
	}
	for _, f := range theirs {
		_ = f.Close() // the program has its own
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("starting %s: %w", p.request.Name, err)
	}
	r.pid = r.cmd.Process.Pid
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run, p.pid, p.refused = r, r.pid, false
	switch {
	case p.killed:
		p.signal(syscall.SIGKILL)
	case p.ended:
		p.signal(syscall.SIGTERM)
	}
	return r, nil
}

// pipes makes what the program reads and writes, and returns its ends of them.
func (r *run) pipes() (theirs []*os.File, err error) {
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r.stdin = stdin
	theirs = append(theirs, in)
	stdout, out, err := os.Pipe()
	if err != nil {
		return theirs, err
	}
	r.stdout = stdout
	theirs = append(theirs, out)
	stderr, errs, err := os.Pipe()
	if err != nil {
		return theirs, err
	}
	r.stderr = stderr
	theirs = append(theirs, errs)
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = in, out, errs
	return theirs, nil
}

// close gives back the pipes of a program that was not started.
func (r *run) close() {
	for _, f := range []*os.File{r.stdin, r.stdout, r.stderr} {
		if f != nil {
			_ = f.Close() // nothing went through it
		}
	}
}

// environment returns the program's, with a PATH.
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

// follow hands input and output on until the program has ended and all that it said is handed over, and returns its exit
// code. What is left of its group is killed.
func (p *Process) follow(r *run) int {
	var streams sync.WaitGroup
	streams.Go(func() { p.read(r, r.stdout, Output) })
	streams.Go(func() { p.read(r, r.stderr, Errors) })
	streams.Go(func() { p.feed(r) })
	waitExit(r.pid)
	p.mu.Lock()
	p.signal(syscall.SIGKILL) // as long as the program is not reaped, nobody else has its number
	p.run = nil
	p.changed.Broadcast()
	p.mu.Unlock()
	_ = r.cmd.Wait() // the state says more than the error
	r.exited.Store(true)
	deadline := time.Now().Add(lateRead)
	_ = r.stdout.SetReadDeadline(deadline)
	_ = r.stderr.SetReadDeadline(deadline)
	_ = r.stdin.Close() // nobody reads it
	streams.Wait()
	if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return r.cmd.ProcessState.ExitCode()
}

// waitExit waits until a child has ended, and does not reap it.
func waitExit(pid int) {
	const byPID = 1         // P_PID
	var siginfo [128]uint64 // larger than any siginfo_t
	for {
		_, _, err := syscall.Syscall6(syscall.SYS_WAITID, byPID, uintptr(pid), uintptr(unsafe.Pointer(&siginfo)),
			syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if err != syscall.EINTR {
			return
		}
	}
}

// read hands on the lines of a pipe.
func (p *Process) read(r *run, from *os.File, kind Kind) {
	defer func() { _ = from.Close() }() // it was only read
	lines := bufio.NewReaderSize(&tail{file: from, run: r}, maxLine)
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

// tail reads a pipe of a run, with bounds once that has ended.
type tail struct {
	file *os.File
	run  *run
	late int // bytes that were read after the end
}

func (t *tail) Read(to []byte) (int, error) {
	exited := t.run.exited.Load()
	if exited {
		if t.late >= maxLate {
			return 0, io.EOF
		}
		_ = t.file.SetReadDeadline(time.Now().Add(lateRead)) // the time that nobody took the lines does not count
	}
	n, err := t.file.Read(to)
	if exited {
		t.late += n
	}
	return n, err
}
