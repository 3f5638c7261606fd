//go:build unix

package process

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"perigee/engine/quota"
	"perigee/engine/testkit"
)

// supervisor returns a supervisor with a shell program for each of scripts, and a few other programs.
func supervisor(tb testing.TB, scripts map[string]string) *Supervisor {
	tb.Helper()
	programs := map[string]Program{
		"cat":   {Command: []string{"/bin/cat"}},
		"sleep": {Command: []string{"/bin/sleep"}, Args: "[0-9]+"},
		"none":  {Command: []string{"/nowhere/none"}},
	}
	for name, text := range scripts {
		programs[name] = Program{
			Command: []string{"/bin/sh", "-c", text, "sh"}, Args: "[a-z ]+", Env: map[string]string{"MINE": "yes"}, Cwd: "/",
		}
	}
	s, err := New(Options{Programs: programs, Max: 8, Path: os.Getenv("PATH"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// child is a process whose events a test takes.
type child struct {
	*Process
	tb    testing.TB
	ready chan struct{}
}

func begin(tb testing.TB, s *Supervisor, r Request) *child {
	tb.Helper()
	c := &child{tb: tb, ready: make(chan struct{}, 1)}
	r.Ready = func() { c.ready <- struct{}{} }
	p, err := s.Start(r)
	if err != nil {
		tb.Fatalf("Start(%+v) = %v, want a process", r, err)
	}
	c.Process = p
	return c
}

// next waits for an event.
func (c *child) next() Event {
	c.tb.Helper()
	for {
		if e, ok := c.Take(); ok {
			return e
		}
		select {
		case <-c.ready:
		case <-time.After(testkit.Timeout):
			c.tb.Fatal("no event came")
		}
	}
}

// rest takes all events up to Finished, and returns the text of all lines and the last exit code.
func (c *child) rest() (output, errs string, code int) {
	c.tb.Helper()
	var out, err strings.Builder
	for {
		switch e := c.next(); e.Kind {
		case Output:
			out.WriteString(e.Text)
		case Errors:
			err.WriteString(e.Text)
		case Exit:
			code = e.Code
		case Finished:
			return out.String(), err.String(), code
		}
	}
}

// alive reports whether there is a process with this ID that is not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

// gone waits until the process is not alive.
func gone(tb testing.TB, pid int) {
	tb.Helper()
	for end := time.Now().Add(testkit.Timeout); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("process %d is still there", pid)
		}
	}
}

// A program gets its arguments, environment and directory, and its output and exit code become events.
func TestRun(t *testing.T) {
	t.Setenv("SECRET", "canary")
	s := supervisor(t, map[string]string{"say": `echo "$1:$MINE:$SECRET:$PWD:${PATH:+path}"; echo oops >&2; printf end; exit 3`})
	out, errs, code := begin(t, s, Request{Name: "say", Args: []string{"a b"}, Output: true, Errors: true}).rest()
	if out != "a b:yes::/:path\nend" || errs != "oops\n" || code != 3 {
		t.Errorf("say = %q, %q, %d, want its lines and 3", out, errs, code)
	}
}

// One owner has no more processes than it leaves room for, nor have owners that come one after the other and leave their processes
// behind. The server itself may have all.
func TestProcessesOfOneOwner(t *testing.T) {
	for _, row := range []struct {
		name  string
		comes int // how often the greedy owner comes
	}{{"one owner", 1}, {"owners in turn", 6}} {
		t.Run(row.name, func(t *testing.T) {
			s := supervisor(t, nil)
			var left quota.Leftover
			start := func(o *quota.Owner) (started int) {
				for range 8 {
					switch _, err := s.Start(Request{Name: "cat", Owner: o}); {
					case err == nil:
						started++
					case !errors.Is(err, ErrTooMany):
						t.Errorf("Start = %v, want %v", err, ErrTooMany)
					}
				}
				return started
			}
			greedy := 0
			for range row.comes {
				o := quota.NewOwner(nil)
				o.Follow(&left)
				greedy += start(o)
				o.Leave(&left)
			}
			if other := start(quota.NewOwner(nil)); greedy > 5 || other < 2 {
				t.Errorf("%d processes of the greedy owner, %d of another, want 5 at most, and 2 at least", greedy, other)
			}
			begin(t, s, Request{Name: "cat"})
			s.Close(t.Context())
			if !left.IsEmpty() {
				t.Error("processes are left behind after all have ended, want none")
			}
		})
	}
}

// A request that the settings do not allow is refused, and the error says what they allow.
func TestRefused(t *testing.T) {
	s := supervisor(t, nil)
	rows := []struct {
		request Request
		want    string
	}{
		{Request{Name: "/bin/sh"}, `there is no program "/bin/sh" in server.toml; there are: cat, none, sleep`},
		{Request{Name: "cat", Args: []string{"/etc/passwd"}}, "cat takes no arguments: processes.cat.args is empty"},
		{Request{Name: "sleep", Args: []string{"1; x"}}, `argument "1; x" does not match "[0-9]+", which is processes.sleep.args`},
		{Request{Name: "sleep", Args: []string{"1\n"}}, `argument "1\n" does not match`},
		{Request{Name: "none"}, "starting none: fork/exec /nowhere/none: no such file or directory"},
	}
	for _, row := range rows {
		if _, err := s.Start(row.request); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("Start(%+v) = %v, want %s", row.request, err, row.want)
		}
	}
	for range 8 {
		begin(t, s, Request{Name: "cat"})
	}
	if _, err := s.Start(Request{Name: "cat"}); !errors.Is(err, ErrTooMany) {
		t.Errorf("the ninth Start = %v, want %v", err, ErrTooMany)
	}
	s.Close(t.Context())
	if _, err := s.Start(Request{Name: "cat"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Close = %v, want %v", err, ErrClosed)
	}
}

// Input reaches the program. Too much input at once, and input after the end, is an error.
func TestWrite(t *testing.T) {
	s := supervisor(t, nil)
	cat := begin(t, s, Request{Name: "cat", Output: true})
	if err := cat.Write("one\ntwo"); err != nil {
		t.Fatal(err)
	}
	if e := cat.next(); e.Text != "one\n" {
		t.Errorf("cat says %q, want one", e.Text)
	}
	cat.Terminate()
	_, _, code := cat.rest()
	if exit, exited := cat.ExitCode(); code != 128+int(syscall.SIGTERM) || exit != code || !exited || cat.Running() {
		t.Errorf("cat ended with %d (%d, %v), want 143", code, exit, exited)
	}
	if err := cat.Write("x"); !errors.Is(err, ErrEnded) {
		t.Errorf("Write after the end = %v, want %v", err, ErrEnded)
	}
	deaf := begin(t, s, Request{Name: "sleep", Args: []string{"60"}})
	var err error
	for range 2 * maxInput / maxWrite {
		if err = deaf.Write(strings.Repeat("x", maxWrite)); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("Write to a program that does not read = %v, want %v", err, ErrFull)
	}
}

// After a program has closed its input, Write returns an error.
func TestClosedInput(t *testing.T) {
	s := supervisor(t, map[string]string{"deaf": `exec 0<&-; echo deaf; exec sleep 100`})
	deaf := begin(t, s, Request{Name: "deaf", Output: true})
	if e := deaf.next(); e.Text != "deaf\n" {
		t.Fatalf("deaf says %q, want deaf", e.Text)
	}
	testkit.WaitFor(t, "the input to be refused", func() bool { return errors.Is(deaf.Write("x"), ErrInputClosed) })
	if !deaf.Running() {
		t.Error("the program has ended, want it to run on")
	}
}

// Output waits until it is taken, and arrives completely; an endless line arrives in pieces.
func TestFlood(t *testing.T) {
	s := supervisor(t, map[string]string{
		"flood": "seq 1 300000",
		"long":  "head -c 200000 /dev/zero",
		"yes":   "while :; do echo yes; done",
	})
	flood := begin(t, s, Request{Name: "flood", Output: true})
	held := func() int {
		flood.mu.Lock()
		defer flood.mu.Unlock()
		return flood.size
	}
	testkit.WaitFor(t, "as much of the flood as is held", func() bool { return held() > maxOutput-2*eventCost })
	if size := held(); size > maxOutput || !flood.Running() {
		t.Errorf("of a flood %d bytes are held, running %v; want at most %d and a program that waits", size, flood.Running(), maxOutput)
	}
	out, _, code := flood.rest()
	if n := strings.Count(out, "\n"); n != 300_000 || code != 0 || !strings.HasSuffix(out, "\n300000\n") {
		t.Errorf("the flood has %d lines and ends with %d, want 300000 and 0", n, code)
	}
	long := begin(t, s, Request{Name: "long", Output: true})
	if e := long.next(); len(e.Text) != maxLine {
		t.Errorf("the first piece has %d bytes, want %d", len(e.Text), maxLine)
	}
	if out, _, _ := long.rest(); len(out) != 200_000-maxLine {
		t.Errorf("the rest has %d bytes, want %d", len(out), 200_000-maxLine)
	}
	// If the output is not taken, the process can still be ended.
	s.delays.kill, s.delays.stop = time.Hour, time.Millisecond
	yes := begin(t, s, Request{Name: "yes", Output: true})
	closed(t, s)
	if alive(yes.PID()) {
		t.Error("after Close the program runs, want it ended")
	}
}

// A program that ignores SIGTERM is killed with its children, and none of them remains as a zombie.
func TestKill(t *testing.T) {
	s := supervisor(t, map[string]string{
		"stubborn": `trap "" TERM; sleep 100 & echo $!; while :; do sleep 1; done`,
		"leaves":   `sleep 100 & echo $!`,
	})
	s.delays.kill = 100 * time.Millisecond
	stubborn := begin(t, s, Request{Name: "stubborn", Output: true})
	pid, err := strconv.Atoi(strings.TrimSpace(stubborn.next().Text))
	if err != nil || !alive(pid) || !alive(stubborn.PID()) {
		t.Fatalf("its child is %d, %v, want one that lives", pid, err)
	}
	stubborn.Terminate()
	stubborn.Terminate()
	if _, _, code := stubborn.rest(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("it ended with %d, want 137", code)
	}
	gone(t, pid)
	if _, err := os.Stat("/proc/" + strconv.Itoa(stubborn.PID())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Stat of the program = %v, want none: not even a zombie", err)
	}
	// The children of a program end with it.
	out, _, code := begin(t, s, Request{Name: "leaves", Output: true}).rest()
	if pid, err = strconv.Atoi(strings.TrimSpace(out)); err != nil || code != 0 {
		t.Fatalf("leaves = %q, %d, want the number of its child", out, code)
	}
	gone(t, pid)
	s.delays.kill, s.delays.stop = time.Hour, time.Millisecond
	again := begin(t, s, Request{Name: "stubborn", Output: true, Restart: true})
	again.next()
	closed(t, s)
	if alive(again.PID()) {
		t.Error("after Close the program runs, want it killed")
	}
}

// closed closes a supervisor, and waits for that.
func closed(t *testing.T, s *Supervisor) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Close(context.WithoutCancel(t.Context()))
	}()
	select {
	case <-done:
	case <-time.After(testkit.Timeout):
		t.Fatal("Close does not return")
	}
}

// A child that has left the process group and holds the output does not keep the process from finishing.
func TestEscape(t *testing.T) {
	s := supervisor(t, map[string]string{"escape": `setsid sh -c 'echo $$; exec sleep 1000' & read line; echo out`})
	escape := begin(t, s, Request{Name: "escape", Output: true})
	pid, err := strconv.Atoi(strings.TrimSpace(escape.next().Text))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if err := escape.Write("end\n"); err != nil {
		t.Fatal(err)
	}
	if out, _, _ := escape.rest(); out != "out\n" || !alive(pid) {
		t.Errorf("escape = %q, and what has left its group runs: %t; want out, and that it runs", out, alive(pid))
	}
}

// A process is restarted after a growing pause, until it is terminated.
func TestRestart(t *testing.T) {
	s := supervisor(t, map[string]string{"short": "echo $$; exit 1"})
	s.delays.first, s.delays.last = 50*time.Millisecond, 100*time.Millisecond
	began := time.Now()
	short := begin(t, s, Request{Name: "short", Output: true, Restart: true})
	pids := map[string]bool{}
	for range 4 {
		e := short.next()
		if e.Kind != Output {
			t.Fatalf("event %+v, want its number", e)
		}
		pids[e.Text] = true
		if e := short.next(); e.Kind != Exit || e.Code != 1 {
			t.Fatalf("event %+v, want the exit", e)
		}
	}
	if took := time.Since(began); took < 250*time.Millisecond || len(pids) != 4 {
		t.Errorf("four runs of %d processes took %s, want pauses of 50, 100 and 100 ms", len(pids), took)
	}
	short.Terminate()
	short.rest()
}

// Pipe sends the output of one process to the input of another, no faster than that reads; the end of one ends the other.
func TestPipe(t *testing.T) {
	s := supervisor(t, map[string]string{
		"count": "seq 1 200000", "sum": "sleep 0.2; wc -l", "yes": "while :; do echo yes; done", "first": "head -n 1",
	})
	count, sum := begin(t, s, Request{Name: "count"}), begin(t, s, Request{Name: "sum", Output: true})
	testkit.WaitFor(t, "some output", func() bool { // it is kept for the pipe
		count.mu.Lock()
		defer count.mu.Unlock()
		return count.size > 0
	})
	if err := Pipe(count.Process, sum.Process); err != nil {
		t.Fatal(err)
	}
	count.DropUnwanted()
	if out, _, _ := sum.rest(); strings.TrimSpace(out) != "200000" {
		t.Errorf("sum = %q, want 200000", out)
	}
	count.rest()
	yes, first := begin(t, s, Request{Name: "yes"}), begin(t, s, Request{Name: "first", Output: true})
	if err := Pipe(yes.Process, first.Process); err != nil {
		t.Fatal(err)
	}
	if err := Pipe(yes.Process, begin(t, s, Request{Name: "cat"}).Process); err == nil {
		t.Error("a second Pipe = nil, want an error")
	}
	if out, _, _ := first.rest(); out != "yes\n" {
		t.Errorf("first = %q, want yes", out)
	}
	if _, _, code := yes.rest(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("yes ended with %d, want 143", code)
	}
}

// Output that is not wanted is read and dropped; no goroutine remains.
func TestUnwantedOutput(t *testing.T) {
	before := runtime.NumGoroutine()
	s := supervisor(t, map[string]string{"flood": "seq 1 300000; seq 1 300000 >&2"})
	flood := begin(t, s, Request{Name: "flood"})
	flood.DropUnwanted()
	if out, errs, code := flood.rest(); out+errs != "" || code != 0 {
		t.Errorf("flood = %d bytes, %d, want nothing and 0", len(out+errs), code)
	}
	s.Close(t.Context())
	for end := time.Now().Add(testkit.Timeout); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, want %d", runtime.NumGoroutine(), before)
		}
	}
}

// The processes that have not ended are listed.
func TestList(t *testing.T) {
	s, err := New(Options{Max: 2, Programs: map[string]Program{"sleep": {Command: []string{"/bin/sleep", "600"}}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Start(Request{Name: "sleep"})
	if err != nil {
		t.Fatal(err)
	}
	testkit.WaitFor(t, "the program to be listed as running", func() bool {
		list := s.List()
		return len(list) == 1 && list[0].Name == "sleep" && list[0].PID != 0 && list[0].Running && list[0].Code == nil
	})
	p.Terminate()
	s.Close(t.Context())
	if list := s.List(); len(list) != 0 {
		t.Errorf("List() after the end = %+v, want none", list)
	}
}
