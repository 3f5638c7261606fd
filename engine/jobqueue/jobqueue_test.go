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

// tally is a handler that has each job done at once, and keeps its command and arguments.
type tally struct {
	mu  sync.Mutex
	ran []string // guarded by mu
}

func (h *tally) Job(_ context.Context, j queue.Job, done func(err error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ran = append(h.ran, j.Command+string(j.Arguments))
	done(nil)
}

func (h *tally) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ran)
}

// Jobs are taken from the queue that the scripts want, and from none while they want none; what they push comes back to them.
func TestDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config.Default()
		c.Queue.Driver = config.DriverMemory
		d, h := New(c, &persist.AppliedJobs{}, slog.New(slog.DiscardHandler)), &tally{}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx, h) })
		push := func(command string, delay time.Duration) {
			d.Push(module.Push{Command: command, Arguments: []byte(`{"n":1}`), Delay: delay}, func(_ uint64, err error) {
				if err != nil {
					t.Errorf("Push(%s) = %v, want nil", command, err)
				}
			})
			synctest.Wait()
		}
		is := func(when, name, condition string, ran ...string) {
			t.Helper()
			synctest.Wait()
			got, have := d.Status(), h.list()
			if got.Queue != name || got.Condition != condition || !slices.Equal(have, ran) {
				t.Errorf("%s: %q is %q and %q have run, want %q, %q and %q", when, got.Queue, got.Condition, have, name, condition, ran)
			}
		}
		push("First", 0)
		is("before jobs are wanted", "", "no jobs are taken")
		d.Want(&module.Work{})
		is("wanted", "default", "connected", `First{"n":1}`)
		d.Want(&module.Work{Queue: "other"})
		is("wanted from another queue", "other", "connected", `First{"n":1}`)
		push("Second", 0)
		is("a job of a queue that is not wanted", "other", "connected", `First{"n":1}`)
		d.Want(nil)
		is("not wanted any more", "other", "no jobs are taken", `First{"n":1}`)
		d.Want(&module.Work{})
		push("Third", 1500*time.Millisecond)
		is("wanted again", "default", "connected", `First{"n":1}`, `Second{"n":1}`)
		time.Sleep(1500 * time.Millisecond)
		is("after the delay", "default", "connected", `First{"n":1}`, `Second{"n":1}`, `Third{"n":1}`)
		cancel()
		running.Wait()
		is("at the end", "default", "no jobs are taken", `First{"n":1}`, `Second{"n":1}`, `Third{"n":1}`)
		d.Close()
	})
}

// A queue that lives in the server cannot be opened by another program, which is told what can reach it.
func TestOpenMemory(t *testing.T) {
	_, err := Open(config.Queue{Driver: config.DriverMemory})
	if err == nil || !strings.Contains(err.Error(), "only perigee push") {
		t.Errorf("Open with the driver memory = %v, want that only perigee push reaches it", err)
	}
}

// The text of a job is what the queue's readers take for a command with these arguments; arguments that are no JSON are
// refused.
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
