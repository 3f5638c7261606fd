package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	"perigee/engine/jobqueue"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// How often the server and beanstalkd are killed, and with how many jobs.
const (
	crashes   = 20
	crashJobs = 10_000
)

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

// With state.sync = "job", every job that the queue has confirmed takes effect once, and its effect survives, whenever the server
// and beanstalkd are killed. A job takes effect twice only if it was put twice, because beanstalkd was killed before it confirmed
// the job.
func TestCrashesLoseNoJob(t *testing.T) {
	if testing.Short() {
		t.Skip("twenty crashes take some seconds")
	}
	b := beanstalkd.Start(t, beanstalkd.Options{Binlog: true})
	s := newVictim(t, b.Address)
	s.start(t)
	var produced, unsure atomic.Int64
	var producing sync.WaitGroup
	producing.Go(func() { produce(t, b.Address, &produced, &unsure) })
	for i := range crashes {
		// At some moment while a twentieth of the jobs are put.
		testkit.WaitFor(t, "jobs", func() bool { return produced.Load() >= int64(i*crashJobs/crashes+rand.IntN(crashJobs/crashes)) })
		if i%2 == 0 {
			s.kill()
			s.start(t)
		} else {
			b.Kill()
			b.Restart(t)
		}
	}
	producing.Wait()
	service, err := jobqueue.Open(config.Queue{Driver: config.DriverBeanstalkd, Address: b.Address})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = service.Close() }()
	testkit.WaitFor(t, "the queue to be empty", func() bool {
		counts, err := service.Counts(t.Context(), "default")
		return err == nil && counts.Ready+counts.Reserved+counts.Delayed == 0
	})
	s.stop(t)
	runs := s.runs(t)
	lost, twice := 0, 0
	for n := range crashJobs {
		switch count := runs["n"+strconv.Itoa(n)]; {
		case count == 0:
			lost++
		case count > 1:
			twice += count - 1
		}
	}
	t.Logf("%d jobs, %d crashes: %d lost, %d run twice, %d put maybe twice", crashJobs, crashes, lost, twice, unsure.Load())
	if lost > 0 {
		t.Errorf("%d of %d jobs took no effect, want none", lost, crashJobs)
	}
	if most := int(unsure.Load()); twice > most {
		t.Errorf("%d jobs ran twice, want at most the %d that may have been put twice", twice, most)
	}
}

// produce puts each job until it is confirmed. It returns the number of jobs and how often one may have been put unconfirmed.
func produce(t *testing.T, address string, produced, unsure *atomic.Int64) {
	t.Helper()
	service, err := jobqueue.Open(config.Queue{Driver: config.DriverBeanstalkd, Address: address})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = service.Close() }()
	for n := range crashJobs {
		body := fmt.Appendf(nil, `{"job":"Count","data":{"n":%d}}`, n)
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
			time.Sleep(time.Millisecond) // beanstalkd is being started again
		}
		produced.Add(1)
	}
}

// victim is a server in its own process.
type victim struct {
	program, dir string
	arguments    []string
	log          bytes.Buffer
	cmd          *exec.Cmd
}

// newVictim builds the program and writes an application.
func newVictim(t *testing.T, queue string) *victim {
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
	v.arguments = []string{
		"start", "--port", "0", "--lua-manager", "app", "--queue-address", queue,
		"--state-file", "state.json", "--state-sync", "job",
	}
	t.Cleanup(v.kill)
	return v
}

func (v *victim) start(t *testing.T) {
	t.Helper()
	v.cmd = exec.Command(v.program, v.arguments...)
	v.cmd.Dir = v.dir
	v.cmd.Stderr = &v.log
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (v *victim) kill() {
	if v.cmd == nil {
		return
	}
	_ = v.cmd.Process.Kill()
	_ = v.cmd.Wait()
	v.cmd = nil
}

// stop ends it like a service manager.
func (v *victim) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(v.cmd.Process.Signal(syscall.SIGTERM), v.cmd.Wait()); err != nil {
		t.Errorf("the server ends with %v, want it to stop in order; its log:\n%s", err, v.log.String())
	}
	v.cmd = nil
}

// runs returns from the state file how often each job has run.
func (v *victim) runs(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(v.dir, "state.json"))
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
	return file.State.Runs
}
