package jobqueue

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/config"
	"perigee/engine/persist"
	"perigee/engine/queue"
	"perigee/engine/script/module"
)

// recorder is a handler that succeeds at once, and records commands and arguments.
type recorder struct {
	mu  sync.Mutex
	ran []string // guarded by mu
}

func (h *recorder) Job(_ context.Context, j queue.Job, done func(err error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ran = append(h.ran, j.Command+string(j.Arguments))
	done(nil)
}

func (h *recorder) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ran)
}

// Jobs are taken from the queue that the scripts ask for, and not at all while they ask for none; jobs that they push are run.
func TestService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config.Default()
		c.Queue.Driver = config.DriverMemory
		s, h := New(c, &persist.AppliedJobs{}, slog.New(slog.DiscardHandler)), &recorder{}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx, h) })
		push := func(command string, delay time.Duration) {
			s.Push(module.Push{Command: command, Arguments: []byte(`{"n":1}`), Delay: delay}, func(_ uint64, err error) {
				if err != nil {
					t.Errorf("Push(%s) = %v, want nil", command, err)
				}
			})
			synctest.Wait()
		}
		expect := func(when, name, condition string, ran ...string) {
			t.Helper()
			synctest.Wait()
			got, have := s.Status(), h.list()
			if got.Queue != name || got.Condition != condition || !slices.Equal(have, ran) {
				t.Errorf("%s: %q is %q and %q have run, want %q, %q and %q", when, got.Queue, got.Condition, have, name, condition, ran)
			}
		}
		push("First", 0)
		expect("before a worker is set", "", "no jobs are taken")
		s.SetWorker(&module.WorkerOptions{})
		expect("set", "default", "connected", `First{"n":1}`)
		s.SetWorker(&module.WorkerOptions{Queue: "other"})
		expect("set to another queue", "other", "connected", `First{"n":1}`)
		push("Second", 0)
		expect("a job of a queue from which none are taken", "other", "connected", `First{"n":1}`)
		s.SetWorker(nil)
		expect("set to none", "other", "no jobs are taken", `First{"n":1}`)
		s.SetWorker(&module.WorkerOptions{})
		push("Third", 1500*time.Millisecond)
		expect("set again", "default", "connected", `First{"n":1}`, `Second{"n":1}`)
		time.Sleep(1500 * time.Millisecond)
		expect("after the delay", "default", "connected", `First{"n":1}`, `Second{"n":1}`, `Third{"n":1}`)
		cancel()
		running.Wait()
		expect("at the end", "default", "no jobs are taken", `First{"n":1}`, `Second{"n":1}`, `Third{"n":1}`)
		s.Close()
	})
}

// buryAll is a handler that fails for good.
type buryAll struct{}

func (buryAll) Job(_ context.Context, _ queue.Job, done func(err error)) { done(queue.ErrPermanent) }

// Failures and counters stay when the scripts stop taking jobs and take them again.
func TestFailuresOutliveWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config.Default()
		c.Queue.Driver = config.DriverMemory
		s := New(c, &persist.AppliedJobs{}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx, buryAll{}) })
		for _, w := range []*module.WorkerOptions{{}, nil, {}} {
			s.SetWorker(w)
			s.Push(module.Push{Command: "Fail"}, func(uint64, error) {})
			time.Sleep(time.Second)
		}
		var ids []uint64
		for _, f := range s.Failed() {
			ids = append(ids, f.ID)
		}
		if want := []uint64{1, 2, 3}; !slices.Equal(ids, want) {
			t.Errorf("Failed() has the jobs %v, want %v", ids, want)
		}
		if got := s.Status().Worker.Buried; got != 3 || s.Counters().Buried != 3 {
			t.Errorf("Status() has %d buried jobs and Counters() %d, want 3 in both", got, s.Counters().Buried)
		}
		cancel()
		running.Wait()
		s.Close()
	})
}

// Open refuses a queue in memory, and says what can reach it.
func TestOpenMemory(t *testing.T) {
	_, err := Open(config.Queue{Driver: config.DriverMemory})
	if err == nil || !strings.Contains(err.Error(), "only perigee push") {
		t.Errorf("Open with the driver memory = %v, want that only perigee push reaches it", err)
	}
}

// Body returns the body of a job with a command and arguments. Arguments that are not JSON are refused.
func TestBody(t *testing.T) {
	for arguments, want := range map[string]string{
		`{"name": "Mug"}`: `{"job":"AddPrize","data":{"name":"Mug"}}`,
		``:                `{"job":"AddPrize"}`,
	} {
		if got, err := Body("AddPrize", []byte(arguments)); err != nil || string(got) != want {
			t.Errorf("Body(AddPrize, %s) = %s, %v, want %s", arguments, got, err, want)
		}
	}
	if got, err := Body("AddPrize", []byte(`{`)); err == nil {
		t.Errorf("Body(AddPrize, {) = %s, want an error", got)
	}
}
