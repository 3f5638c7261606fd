package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/enginetest/redis"
	"perigee/engine/jobqueue"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// shownLog is how many bytes of a log a failure shows.
const shownLog = 16 << 10

// counter is an application that counts the runs of each job.
const counter = `
local base = require "manager"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  local runs = server.state("runs", {})
  server.command("Count", function(arguments)
    local key = "n" .. arguments.n
    runs[key] = (runs[key] or 0) + 1
  end)
end
return app`

// With state.sync = "job", every job that beanstalkd has confirmed and not lost itself takes effect once, and its effect survives,
// whenever the server and beanstalkd are killed. A job takes effect twice only if it was put twice, because beanstalkd was killed
// before it confirmed the job.
func TestCrashesLoseNoJob(t *testing.T) {
	if testing.Short() {
		t.Skip("twenty crashes take some seconds")
	}
	b := beanstalkd.Start(t, beanstalkd.Options{Binlog: true})
	p := beanstalkd.NewProxy(t, b)
	crashes{
		name: "beanstalkd", queue: config.Queue{Driver: config.DriverBeanstalkd, Address: b.Address}, address: p.Address,
		kill: b.Kill, restart: func() { b.Restart(t) }, ended: p.Ended,
	}.test(t)
}

// The same with a Redis server that stores every change. It loses no job, and a killed server's jobs are ready again after two seconds.
func TestCrashesLoseNoJobInRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("twenty crashes take some seconds")
	}
	r := redis.Start(t, redis.Options{Persist: true})
	crashes{
		name: "redis", queue: config.Queue{Driver: config.DriverRedis, Address: r.Address, RetryAfter: config.Duration(2 * time.Second)},
		address: r.Address, flags: []string{"--queue-retry-after", "2s"},
		kill: r.Kill, restart: func() { r.Restart(t) }, ended: func(string) bool { return true },
	}.test(t)
}

// crashes are kills of a server and its queue service in turn.
type crashes struct {
	name          string       // of the service
	queue         config.Queue // for the test
	address       string       // of the service, for the server
	flags         []string     // of the server
	kills, jobs   int          // how many kills while how many jobs are put; 0 means as many as for beanstalkd
	kill, restart func()       // of the service; nil if it is a part of the server, which is then killed alone
	// ended reports whether a job without an effect was lost by the server, and not by the service itself.
	ended func(body string) bool
}

func (c crashes) test(t *testing.T) {
	t.Helper()
	crashes, jobs := cmp.Or(c.kills, testkit.Scale(20, 200)), cmp.Or(c.jobs, testkit.Scale(10_000, 40_000))
	s := newVictim(t, append([]string{"--queue-driver", c.queue.Driver, "--queue-address", c.address}, c.flags...)...)
	s.start(t)
	var produced, unsure atomic.Int64
	var producing sync.WaitGroup
	producing.Go(func() { produce(t, c.queue, jobs, &produced, &unsure) })
	for i := range crashes {
		// At some moment while a twentieth of the jobs are put. A job that is begun in too many runs of the server without coming
		// to an end is buried; so on a machine on which a start takes longer than that, every other run may do something first.
		testkit.WaitFor(t, "jobs", func() bool {
			s.checkRunning(t)
			return produced.Load() >= int64(i*jobs/crashes+rand.IntN(jobs/crashes)) && (i%4 != 0 || s.hasSaved())
		})
		if i%2 == 0 || c.kill == nil {
			s.kill()
			s.start(t)
		} else {
			c.kill()
			c.restart()
		}
	}
	producing.Wait()
	buried := s.finishJobs(t, c.queue)
	s.stop(t)
	missing, twice := s.effects(t, jobs)
	lost := 0
	for _, n := range missing {
		if c.ended(string(countJob(n))) {
			lost++
		}
	}
	testkit.Measured(t, "%d kills of the server and %s in turn, %d jobs: %d lost, %d took effect twice, %d may have been put twice; %[2]s itself lost %[7]d, and stored %[8]d in part",
		crashes, c.name, jobs, lost, twice, unsure.Load(), len(missing)-lost, buried)
	if lost > 0 {
		t.Errorf("%d of %d jobs took no effect, want none", lost, jobs)
	}
	if most := int(unsure.Load()); twice > most {
		t.Errorf("%d jobs ran twice, want at most the %d that may have been put twice", twice, most)
	}
}

// countJob returns the body of the nth job.
func countJob(n int) []byte { return fmt.Appendf(nil, `{"job":"Count","data":{"n":%d}}`, n) }

// produce puts jobs, each until it is confirmed. It counts them, and how often one may have been put without being confirmed.
func produce(t *testing.T, settings config.Queue, jobs int, produced, unsure *atomic.Int64) {
	t.Helper()
	service, err := jobqueue.Open(settings)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = service.Close() }()
	for n := range jobs {
		body := countJob(n)
		for {
			_, err := service.Put(t.Context(), queue.PutRequest{Queue: "default", Body: body, Priority: queue.DefaultPriority})
			if err == nil {
				break
			}
			if t.Context().Err() != nil {
				return
			}
			if errors.Is(err, queue.ErrUnsure) {
				unsure.Add(1)
			}
			time.Sleep(time.Millisecond) // the service is being started again
		}
		produced.Add(1)
	}
}

// victim is a server in its own process.
type victim struct {
	program, dir string
	arguments    []string
	log          bytes.Buffer
	banner       *screen       // of the last start
	cmd          *exec.Cmd     // nil if it does not run
	ended        chan struct{} // closed when the process has ended, after err was set
	err          error
	started      time.Time
}

// newVictim builds the program and writes an application. flags name the queue.
func newVictim(t *testing.T, flags ...string) *victim {
	t.Helper()
	dir := t.TempDir()
	v := &victim{program: filepath.Join(dir, "perigee"), dir: dir}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", v.program, ".")
	if printed, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build = %v\n%s", err, printed)
	}
	if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "scripts", "app.lua"), []byte(counter), 0o600); err != nil {
		t.Fatal(err)
	}
	v.arguments = append([]string{
		"start", "--port", "0", "--lua-manager", "app", "--state-file", "state.json", "--state-sync", "job",
		"--stop-timeout", "10m", // how fast it stops is not the subject
	}, flags...)
	t.Cleanup(func() {
		v.kill()
		if t.Failed() {
			t.Logf("the end of the log of all its runs:\n%s", v.log.Bytes()[max(0, v.log.Len()-shownLog):])
		}
	})
	return v
}

func (v *victim) start(t *testing.T) {
	t.Helper()
	v.run(t, exec.Command(v.program, v.arguments...), &v.log)
}

// address returns the host and port of the server once it has started.
func (v *victim) address(t *testing.T) string {
	t.Helper()
	return v.banner.await(t, `websocket +ws://(\S+)/`)[1]
}

// run starts a process as the server.
func (v *victim) run(t *testing.T, cmd *exec.Cmd, log io.Writer) {
	t.Helper()
	v.banner = newScreen()
	cmd.Stdout, cmd.Stderr = v.banner, log
	v.cmd, v.ended, v.started = cmd, make(chan struct{}), time.Now()
	v.cmd.Dir = v.dir
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := v.ended
	go func() {
		defer close(ended)
		v.err = cmd.Wait()
	}()
}

// checkRunning fails the test if the server has ended by itself.
func (v *victim) checkRunning(t *testing.T) {
	t.Helper()
	select {
	case <-v.ended:
		v.cmd = nil
		t.Fatalf("the server ended by itself: %v", v.err)
	default:
	}
}

// hasSaved reports whether this run of the server has saved the effect of a job.
func (v *victim) hasSaved() bool {
	info, err := os.Stat(v.stateFile())
	return err == nil && info.ModTime().After(v.started)
}

func (v *victim) stateFile() string { return filepath.Join(v.dir, "state.json") }

func (v *victim) kill() {
	if v.cmd == nil {
		return
	}
	_ = v.cmd.Process.Kill()
	<-v.ended
	v.cmd = nil
}

// stop ends the server as a service manager does, once it has started: before that, the signal would just end the process.
func (v *victim) stop(t *testing.T) {
	t.Helper()
	v.address(t)
	err := v.cmd.Process.Signal(syscall.SIGTERM)
	<-v.ended
	if err = errors.Join(err, v.err); err != nil {
		t.Errorf("the server ends with %v, want it to stop in order", err)
	}
	v.cmd = nil
}

// finishJobs waits until the server has done all jobs in the queue, and returns how many of them are buried.
func (v *victim) finishJobs(t *testing.T, settings config.Queue) (buried int) {
	t.Helper()
	service, err := jobqueue.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = service.Close() }()
	testkit.WaitForNone(t, "jobs in the queue", func() (int, error) {
		v.checkRunning(t)
		counts, err := service.Counts(t.Context(), "default")
		buried = counts.Buried
		return counts.Ready + counts.Reserved + counts.Delayed, err
	})
	return buried
}

// effects returns from the state file which jobs took no effect, and how often one took effect once too often.
func (v *victim) effects(t *testing.T, jobs int) (missing []int, twice int) {
	t.Helper()
	text, err := os.ReadFile(v.stateFile())
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		State struct {
			Runs map[string]int `json:"runs"`
		} `json:"state"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("the state file %s: %v", text, err)
	}
	for n := range jobs {
		switch count := file.State.Runs["n"+strconv.Itoa(n)]; {
		case count == 0:
			missing = append(missing, n)
		case count > 1:
			twice += count - 1
		}
	}
	return missing, twice
}
