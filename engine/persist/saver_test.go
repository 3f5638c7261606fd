package persist

import (
	"context"
	"errors"
	"fmt"
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

// fixture is a running saver with its own loop and log.
type fixture struct {
	*Saver
	t    *testing.T
	path string // of the file
	loop *loop.Loop
	log  testkit.LogBuffer
	stop func() // ends the saver and the loop
}

// start runs a saver in a test's bubble. text is the initial content of the file.
func start(t *testing.T, c config.State, text string) *fixture {
	t.Helper()
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "state.json"), loop: loop.New(loop.Options{})}
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.File = f.path
	s, err := New(c, slog.New(slog.NewTextHandler(&f.log, nil)))
	if err != nil {
		t.Fatalf("New = %v, want nil", err)
	}
	f.Saver = s
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.loop.Run(ctx) })
	running.Go(func() { s.Run(ctx, f.loop) })
	f.stop = func() {
		cancel()
		running.Wait()
	}
	return f
}

// change replaces a state, in a turn.
func (f *fixture) change(name, text string) {
	f.t.Helper()
	restore := func() error { return f.Store.Restore(map[string][]byte{name: []byte(text)}) }
	if err, ok := runTurn(f.t.Context(), f.loop, restore); !ok || err != nil {
		f.t.Fatalf("the change of %s: %v, ran %t", name, err, ok)
	}
}

// expect fails unless the file contains want.
func (f *fixture) expect(when, want string) {
	f.t.Helper()
	synctest.Wait()
	text, err := os.ReadFile(f.path)
	if err != nil || !strings.Contains(string(text), want) {
		f.t.Errorf("%s: the file holds %q, %v, want %s", when, text, err, want)
	}
}

// failWrites makes every save fail until restore is called: a directory that is not empty takes the place of the temporary
// file.
func (f *fixture) failWrites() (restore func()) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Join(f.path+".tmp", "x"), 0o700); err != nil {
		f.t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(f.path + ".tmp"); err != nil {
			f.t.Fatal(err)
		}
	}
}

// The state is saved at the interval, and only if something changed.
func TestSaver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config.State{Interval: config.Duration(10 * time.Second)}, `{"version":1,"state":{"a":{ "x":1}}}`)
		defer f.stop()
		time.Sleep(9 * time.Second)
		f.expect("before the interval", `{ "x":1}`)
		time.Sleep(2 * time.Second)
		f.expect("after the interval", `{"x":1}`)
		if err := os.Remove(f.path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if _, err := os.Stat(f.path); err == nil {
			t.Error("nothing has changed and the file was written")
		}
	})
}

// A failed save is tried again, and the state is saved at the end.
func TestSaverRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config.State{Interval: config.Duration(10 * time.Second)}, `{"version":1,"state":{}}`)
		time.Sleep(11 * time.Second)
		restore := f.failWrites()
		f.change("b", `{ "y":2}`)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if failed := strings.Count(f.log.String(), "the state could not be saved"); failed != 2 {
			t.Errorf("failed saves in the log: %d, want 2:\n%s", failed, f.log.String())
		}
		restore()
		time.Sleep(10 * time.Second)
		f.expect("after a save that failed", `{"y":2}`)

		f.change("c", `{ "z":3}`)
		f.stop()
		if err := f.SaveFinal(); err != nil {
			t.Errorf("SaveFinal = %v, want nil", err)
		}
		f.expect("at the end", `{"z":3}`)
	})
}

// Without a file, state lives in memory and nothing is written.
func TestSaverInMemory(t *testing.T) {
	s, err := New(config.Default().State, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("New = %v, want nil", err)
	}
	if err := s.SaveFinal(); err != nil {
		t.Errorf("SaveFinal = %v, want nil", err)
	}
}

// Save returns when its context ends, also if the loop's queue is full.
func TestSaveWithFullLoop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		s, err := New(config.State{File: path, Interval: config.Duration(time.Hour)}, slog.New(slog.DiscardHandler))
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
		go func() { saved <- s.Save(ctx, l) }()
		select {
		case err := <-saved:
			if !errors.Is(err, errNoSnapshot) {
				t.Errorf("Save = %v, want %v", err, errNoSnapshot)
			}
		case <-time.After(time.Minute):
			t.Error("Save has not ended, want it ended with its context")
			l.Run(ctx)
		}
	})
}

// While the file cannot be written, jobs wait for the save and everything else goes on; once it can, all are notified once.
func TestSaverWhileWritesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config.State{Interval: config.Duration(10 * time.Second)}, `{"version":1,"state":{"a":{ "x":1}}}`)
		defer f.stop()
		restore := f.failWrites()
		var notified atomic.Int64
		for range 3 {
			f.notifyAfterSave(func(err error) {
				notified.Add(1)
				if err != nil {
					t.Errorf("outcome of a save = %v, want nil", err)
				}
			})
			time.Sleep(20 * time.Second)
		}
		synctest.Wait()
		if got := strings.Count(f.log.String(), "the state could not be saved"); got < 4 {
			t.Errorf("in a minute of waiting the saver tried %d saves at its interval of 10 s, want about 5", got)
		}
		if notified.Load() > 0 || strings.Count(f.log.String(), "jobs wait for it") != 1 {
			t.Errorf("while writes fail %d jobs were notified, want 0; the log must say once that they wait:\n%s", notified.Load(), f.log.String())
		}
		restore()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if notified.Load() != 3 {
			t.Errorf("after a save that works %d jobs were notified, want 3", notified.Load())
		}
	})
}

// If a state cannot be encoded, jobs that wait for the save get that as their outcome and are not in the file as applied, and
// the fault is logged every minute.
func TestSaverWithFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config.State{Interval: config.Duration(30 * time.Second), Sync: config.SyncJob}, `{"version":1,"state":{"good":{ "x":1}}}`)
		defer f.stop()
		apply := func(id uint64) (outcome error) {
			f.JobApplied(queue.Fingerprint{ID: id}, func(err error) { outcome = err })
			synctest.Wait()
			return outcome
		}
		if err := apply(1); err != nil {
			t.Errorf("outcome before the fault = %v, want nil", err)
		}
		f.change("bad", `{"json.array":{"a":1}}`) // marked as a list, but is not one: it can be decoded, but not encoded
		f.change("good", `{ "x":2}`)
		err := apply(2)
		if !errors.Is(err, errUnsaved) || !errors.Is(err, queue.ErrPermanent) || !strings.Contains(err.Error(), `state "bad": the list also has the key .a`) {
			t.Errorf("outcome of a job with a bad state = %v, want that its list has another key, and ErrPermanent", err)
		}
		text, err := os.ReadFile(f.path)
		if err != nil || !strings.Contains(string(text), `"good":{"x":2}`) || !strings.Contains(string(text), `"id":1`) || strings.Contains(string(text), `"id":2`) {
			t.Errorf("the file ends with %s, %v, want good and job 1, without job 2", text[max(0, len(text)-200):], err)
		}
		for minute := range 3 {
			if times := strings.Count(f.log.String(), "cannot be saved"); times != minute+1 {
				t.Errorf("after %d minutes the fault was logged %d times, want %d", minute, times, minute+1)
			}
			time.Sleep(time.Minute + time.Millisecond)
			synctest.Wait()
		}
	})
}

// However many states have a fault, each fault is logged once a minute.
func TestSaverWithManyFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testkit.LogBuffer
		s, err := New(config.State{}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		var faults []error
		for i := range 3000 {
			faults = append(faults, fmt.Errorf("state %d", i))
		}
		for range 3 {
			s.logFaults(faults)
			time.Sleep(time.Second)
		}
		if times := strings.Count(log.String(), "cannot be saved"); times != len(faults) {
			t.Errorf("%d faults were logged %d times within a minute, want once each", len(faults), times)
		}
	})
}
