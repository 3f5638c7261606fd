package keeper

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
	"perigee/engine/enginetest/journal"
	"perigee/engine/loop"
	"perigee/engine/queue"
)

// The state is saved at its interval and only when something changed; what failed is tried again; the end saves too.
func TestKeeper(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte("{\"version\":1,\"state\":{\"a\":{ \"x\":1}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var said journal.Log
		k, err := New(config.State{File: path, Interval: config.Duration(10 * time.Second)}, slog.New(slog.NewTextHandler(&said, nil)))
		if err != nil {
			t.Fatalf("New = %v, want nil", err)
		}
		l := loop.New(loop.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { l.Run(ctx) })
		wg.Go(func() { k.Run(ctx, l) })
		holds := func(when, want string) {
			t.Helper()
			synctest.Wait()
			text, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%s: the file holds %q, %v, want %s", when, text, err, want)
			}
		}
		time.Sleep(9 * time.Second)
		holds("before the interval", `{ "x":1}`)
		time.Sleep(2 * time.Second)
		holds("after the interval", `{"x":1}`)

		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if _, err := os.Stat(path); err == nil {
			t.Error("nothing has changed and the file was written")
		}

		// A folder stands where the temporary file would be, so that saving fails.
		if err := os.Mkdir(path+".tmp", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path+".tmp", "x"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := take(ctx, l, func() error { return k.Store.Restore(map[string][]byte{"b": []byte(`{ "y":2}`)}) }); !ok {
			t.Fatal("the loop did not take the change")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if failed := strings.Count(said.String(), "saving the state"); failed != 2 {
			t.Errorf("failed saves in the log: %d, want 2:\n%s", failed, said.String())
		}
		if err := os.RemoveAll(path + ".tmp"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		holds("after a save that failed", `{"y":2}`)

		if _, ok := take(ctx, l, func() error { return k.Store.Restore(map[string][]byte{"c": []byte(`{ "z":3}`)}) }); !ok {
			t.Fatal("the loop did not take the change")
		}
		cancel()
		wg.Wait()
		if err := k.Last(); err != nil {
			t.Errorf("Last = %v, want nil", err)
		}
		holds("at the end", `{"z":3}`)
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

// While the disk refuses, jobs wait for the save and all else goes on; when it takes it, all are told, once.
func TestKeeperWhileTheDiskRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte("{\"version\":1,\"state\":{\"a\":{ \"x\":1}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var said journal.Log
		k, err := New(config.State{File: path, Interval: config.Duration(10 * time.Second)}, slog.New(slog.NewTextHandler(&said, nil)))
		if err != nil {
			t.Fatalf("New = %v, want nil", err)
		}
		l := loop.New(loop.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { l.Run(ctx) })
		wg.Go(func() { k.Run(ctx, l) })
		// A folder stands where the temporary file would be, so that saving fails.
		if err := os.MkdirAll(filepath.Join(path+".tmp", "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		var told atomic.Int64
		for range 3 {
			k.after(func(err error) {
				told.Add(1)
				if err != nil {
					t.Errorf("told of a save = %v, want nil", err)
				}
			})
			time.Sleep(20 * time.Second)
		}
		synctest.Wait()
		if got := strings.Count(said.String(), "saving the state"); got < 4 {
			t.Errorf("in a minute of waiting the keeper tried %d saves at its interval of 10 s, want about 5", got)
		}
		if told.Load() > 0 || strings.Count(said.String(), "jobs wait") != 1 {
			t.Errorf("while the disk refuses %d jobs were told, want none; the log is to say once that they wait:\n%s", told.Load(), said.String())
		}
		if err := os.RemoveAll(path + ".tmp"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if told.Load() != 3 {
			t.Errorf("when the disk takes it %d jobs were told, want 3", told.Load())
		}
		cancel()
		wg.Wait()
	})
}

// Where a state cannot be saved, jobs that wait for the save are told so, are not in the file as done, and the log says it
// each minute.
func TestKeeperWithAFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	synctest.Test(t, func(t *testing.T) {
		var said journal.Log
		k, err := New(config.State{File: path, Interval: config.Duration(30 * time.Second), Sync: syncJob},
			slog.New(slog.NewTextHandler(&said, nil)))
		if err != nil {
			t.Fatalf("New = %v, want nil", err)
		}
		const contradicts = `{"json.array":{"a":1}}` // a mark that says a list, on what is none: it can be read and not written
		if err := k.Store.Restore(map[string][]byte{"good": []byte(`{ "x":1}`)}); err != nil {
			t.Fatal(err)
		}
		l := loop.New(loop.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { l.Run(ctx) })
		wg.Go(func() { k.Run(ctx, l) })
		done := func(id uint64) (told error) {
			k.Done(queue.Ran{ID: id}, func(err error) { told = err })
			synctest.Wait()
			return told
		}
		if err := done(1); err != nil {
			t.Errorf("told before the fault = %v, want nil", err)
		}
		for name, text := range map[string]string{"bad": contradicts, "good": `{ "x":2}`} {
			if _, ok := take(ctx, l, func() error { return k.Store.Restore(map[string][]byte{name: []byte(text)}) }); !ok {
				t.Fatal("the loop did not take the change")
			}
		}
		err = done(2)
		if !errors.Is(err, errUnsaved) || !errors.Is(err, queue.ErrNever) || !strings.Contains(err.Error(), `state "bad": the list has also the key .a`) {
			t.Errorf("told of a save without bad = %v, want that its list has another key, and ErrNever", err)
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), `"good":{"x":2}`) || !strings.Contains(string(text), `"id":1`) || strings.Contains(string(text), `"id":2`) {
			t.Errorf("the file ends with %s, %v, want good and job 1, without job 2", text[max(0, len(text)-200):], err)
		}
		for minute := range 3 {
			if times := strings.Count(said.String(), "cannot be saved"); times != minute+1 {
				t.Errorf("after %d minutes the log has told %d times of the fault, want %d", minute, times, minute+1)
			}
			time.Sleep(time.Minute + time.Millisecond)
			synctest.Wait()
		}
		cancel()
		wg.Wait()
	})
}
