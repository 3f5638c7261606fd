package persist

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// rig is a keeper that runs, on a loop of its own, and what its log says.
type rig struct {
	*Keeper
	t    *testing.T
	path string // of the file
	loop *loop.Loop
	log  testkit.LogBuffer
	stop func() // ends what runs, and waits for it
}

// start runs a keeper in the bubble of a test. The file has a text at first.
func start(t *testing.T, c config.State, text string) *rig {
	t.Helper()
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "state.json"), loop: loop.New(loop.Options{})}
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.File = r.path
	k, err := New(c, slog.New(slog.NewTextHandler(&r.log, nil)))
	if err != nil {
		t.Fatalf("New = %v, want nil", err)
	}
	r.Keeper = k
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.loop.Run(ctx) })
	running.Go(func() { k.Run(ctx, r.loop) })
	r.stop = func() {
		cancel()
		running.Wait()
	}
	return r
}

// change has a state become another, in a turn.
func (r *rig) change(name, text string) {
	r.t.Helper()
	restore := func() error { return r.Store.Restore(map[string][]byte{name: []byte(text)}) }
	if err, ok := take(r.t.Context(), r.loop, restore); !ok || err != nil {
		r.t.Fatalf("the change of %s: %v, taken %t", name, err, ok)
	}
}

// holds fails unless the file has a part that is wanted.
func (r *rig) holds(when, want string) {
	r.t.Helper()
	synctest.Wait()
	text, err := os.ReadFile(r.path)
	if err != nil || !strings.Contains(string(text), want) {
		r.t.Errorf("%s: the file holds %q, %v, want %s", when, text, err, want)
	}
}

// refuse has every save fail until accept: a folder stands where the temporary file would be, and is not empty.
func (r *rig) refuse() (accept func()) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.path+".tmp", "x"), 0o700); err != nil {
		r.t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(r.path + ".tmp"); err != nil {
			r.t.Fatal(err)
		}
	}
}

// The state is saved at its interval, and only when something changed.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, config.State{Interval: config.Duration(10 * time.Second)}, `{"version":1,"state":{"a":{ "x":1}}}`)
		defer r.stop()
		time.Sleep(9 * time.Second)
		r.holds("before the interval", `{ "x":1}`)
		time.Sleep(2 * time.Second)
		r.holds("after the interval", `{"x":1}`)
		if err := os.Remove(r.path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if _, err := os.Stat(r.path); err == nil {
			t.Error("nothing has changed and the file was written")
		}
	})
}

// A save that failed is tried again, and the end saves too.
func TestKeeperTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, config.State{Interval: config.Duration(10 * time.Second)}, `{"version":1,"state":{}}`)
		time.Sleep(11 * time.Second)
		accept := r.refuse()
		r.change("b", `{ "y":2}`)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if failed := strings.Count(r.log.String(), "saving the state"); failed != 2 {
			t.Errorf("failed saves in the log: %d, want 2:\n%s", failed, r.log.String())
		}
		accept()
		time.Sleep(10 * time.Second)
		r.holds("after a save that failed", `{"y":2}`)

		r.change("c", `{ "z":3}`)
		r.stop()
		if err := r.Last(); err != nil {
			t.Errorf("Last = %v, want nil", err)
		}
		r.holds("at the end", `{"z":3}`)
	})
}

// Without a file, state lives in memory and nothing is written.
func TestKeeperInMemory(t *testing.T) {
	k, err := New(config.Default().State, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("New = %v, want nil", err)
	}
	if err := k.Last(); err != nil {
		t.Errorf("Last = %v, want nil", err)
	}
}

// A save gives up when its context ends, also where the loop has no room for its turn.
func TestSaveWithoutRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		k, err := New(config.State{File: path, Interval: config.Duration(time.Hour)}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("New = %v, want nil", err)
		}
		l := loop.New(loop.Options{QueueSize: 1}) // it does not run
		if err := l.Post("first", func() {}); err != nil {
			t.Fatalf("Post = %v, want nil", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		saved := make(chan error, 1)
		go func() { saved <- k.Save(ctx, l) }()
		select {
		case err := <-saved:
			if !errors.Is(err, errNotTaken) {
				t.Errorf("Save = %v, want %v", err, errNotTaken)
			}
		case <-time.After(time.Minute):
			t.Error("Save has not ended, want it ended with its context")
			l.Run(ctx)
		}
	})
}

// While the disk refuses, jobs wait for the save and all else goes on; when it takes it, all are told, once.
func TestKeeperWhileTheDiskRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, config.State{Interval: config.Duration(10 * time.Second)}, `{"version":1,"state":{"a":{ "x":1}}}`)
		defer r.stop()
		accept := r.refuse()
		var told atomic.Int64
		for range 3 {
			r.after(func(err error) {
				told.Add(1)
				if err != nil {
					t.Errorf("told of a save = %v, want nil", err)
				}
			})
			time.Sleep(20 * time.Second)
		}
		synctest.Wait()
		if got := strings.Count(r.log.String(), "saving the state"); got < 4 {
			t.Errorf("in a minute of waiting the keeper tried %d saves at its interval of 10 s, want about 5", got)
		}
		if told.Load() > 0 || strings.Count(r.log.String(), "jobs wait") != 1 {
			t.Errorf("while the disk refuses %d jobs were told, want none; the log is to say once that they wait:\n%s", told.Load(), r.log.String())
		}
		accept()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if told.Load() != 3 {
			t.Errorf("when the disk takes it %d jobs were told, want 3", told.Load())
		}
	})
}

// Where a state cannot be saved, jobs that wait for the save are told so, are not in the file as done, and the log says it
// each minute.
func TestKeeperWithAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, config.State{Interval: config.Duration(30 * time.Second), Sync: config.SyncJob}, `{"version":1,"state":{"good":{ "x":1}}}`)
		defer r.stop()
		done := func(id uint64) (told error) {
			r.Done(queue.Ran{ID: id}, func(err error) { told = err })
			synctest.Wait()
			return told
		}
		if err := done(1); err != nil {
			t.Errorf("told before the fault = %v, want nil", err)
		}
		r.change("bad", `{"json.array":{"a":1}}`) // a mark that says a list, on what is none: it can be read and not written
		r.change("good", `{ "x":2}`)
		err := done(2)
		if !errors.Is(err, errUnsaved) || !errors.Is(err, queue.ErrNever) || !strings.Contains(err.Error(), `state "bad": the list has also the key .a`) {
			t.Errorf("told of a save without bad = %v, want that its list has another key, and ErrNever", err)
		}
		text, err := os.ReadFile(r.path)
		if err != nil || !strings.Contains(string(text), `"good":{"x":2}`) || !strings.Contains(string(text), `"id":1`) || strings.Contains(string(text), `"id":2`) {
			t.Errorf("the file ends with %s, %v, want good and job 1, without job 2", text[max(0, len(text)-200):], err)
		}
		for minute := range 3 {
			if times := strings.Count(r.log.String(), "cannot be saved"); times != minute+1 {
				t.Errorf("after %d minutes the log has told %d times of the fault, want %d", minute, times, minute+1)
			}
			time.Sleep(time.Minute + time.Millisecond)
			synctest.Wait()
		}
	})
}
