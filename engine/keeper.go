package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"perigee/engine/config"
	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/script/store"
	"perigee/engine/state"
)

// tidyInterval is how often the scripts' state is looked through for tables that keep more than they hold.
const tidyInterval = time.Second

// saveAgain is the time between two attempts at a save that jobs wait for.
const saveAgain = time.Second

// errNotTaken is returned where a turn that looks at the state ended early, or has not come in time.
var errNotTaken = errors.New("engine: the loop could not look at the state")

// keeper looks after the scripts' state: it reads it from the file before they boot, has it tidied, and saves it. Texts are
// made on the loop; the disk is waited for elsewhere.
type keeper struct {
	// Set by newKeeper, never changed.
	store    *store.Store  // for the loop
	file     *state.File   // nil where state lives in memory only
	interval time.Duration // between two saves
	log      *slog.Logger
	due      chan struct{} // capacity 1; after sends, run receives; never closed
	ledger   ledger

	// Guarded by waiting.
	waiting sync.Mutex
	unsaved []func(err error) // whom to tell of the next save

	// Guarded by mu, which is held while the file is written.
	mu      sync.Mutex
	version uint64 // of what the file holds
}

// newKeeper reads the file that the settings name, if any. One that cannot be read is an error: to go on without it would
// be to overwrite it.
func newKeeper(c config.State, log *slog.Logger) (*keeper, error) {
	k := &keeper{store: store.New(), interval: c.Interval.Std(), log: log, due: make(chan struct{}, 1)}
	if c.File == "" {
		return k, nil
	}
	var err error
	if k.file, err = state.Open(c.File); err != nil {
		return nil, err
	}
	texts, err := k.file.Read()
	if err != nil {
		return nil, err
	}
	if err := k.store.Restore(texts); err != nil {
		return nil, fmt.Errorf("engine: state file %s is damaged: %w", k.file.Path(), err)
	}
	if err := k.ledger.restore(k.file.Jobs); err != nil {
		return nil, fmt.Errorf("engine: state file %s is damaged: its jobs: %w", k.file.Path(), err)
	}
	return k, nil
}

// run tidies and saves until ctx ends.
func (k *keeper) run(ctx context.Context, l *loop.Loop) {
	tidy := time.NewTicker(tidyInterval)
	defer tidy.Stop()
	save := time.NewTicker(k.interval)
	defer save.Stop()
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	refused := false // the disk has; again will try it
	settle := func() {
		err := k.settle(ctx, l)
		if err != nil && !refused {
			k.log.Error("engine: jobs wait for the state to be saved", "error", err)
		}
		if refused = err != nil; refused {
			again.Reset(saveAgain)
		}
	}
	for {
		select {
		case <-ctx.Done():
			for _, told := range k.waiters() {
				told(errNotTaken)
			}
			return
		case <-tidy.C:
			take(ctx, l, k.store.Tidy)
		case <-k.due:
			if !refused {
				settle()
			}
		case <-again.C:
			settle()
		case <-save.C:
			if err := k.save(ctx, l); err != nil && ctx.Err() == nil { // else the last save is yet to come
				k.log.Error("engine: saving the state", "error", err)
			}
		}
	}
}

// after calls told once what the state is now has been saved, or could not be. Any goroutine may call it.
func (k *keeper) after(told func(err error)) {
	k.waiting.Lock()
	k.unsaved = append(k.unsaved, told)
	k.waiting.Unlock()
	select {
	case k.due <- struct{}{}:
	default:
	}
}

// settle saves for those that wait for it: one save serves all that have come by then. When the disk refuses, they wait on,
// and what they stand for is not done again.
func (k *keeper) settle(ctx context.Context, l *loop.Loop) error {
	unsaved := k.waiters()
	err := k.save(ctx, l)
	if err != nil && ctx.Err() == nil {
		k.waiting.Lock()
		k.unsaved = append(unsaved, k.unsaved...)
		k.waiting.Unlock()
		return err
	}
	for _, told := range unsaved {
		told(err)
	}
	return nil
}

// waiters takes those that wait for a save.
func (k *keeper) waiters() []func(err error) {
	k.waiting.Lock()
	defer k.waiting.Unlock()
	unsaved := k.unsaved
	k.unsaved = nil
	return unsaved
}

// save writes the state to the file if it has changed since the last time. What could not be written is tried again with
// the next save.
func (k *keeper) save(ctx context.Context, l *loop.Loop) error {
	if k.file == nil {
		return nil
	}
	saved, ok := take(ctx, l, k.look)
	if !ok {
		return errNotTaken
	}
	return k.write(saved)
}

// last saves after the loop has ended, when the state belongs to whoever is left.
func (k *keeper) last() error {
	if k.file == nil {
		return nil
	}
	return k.write(k.look())
}

// look is what there is to save. The loop alone calls it, or whoever is left.
func (k *keeper) look() saved {
	return saved{k.store.Save(), k.ledger.list()}
}

// saved is what the file is to have.
type saved struct {
	store.Saved
	jobs []queue.Ran
}

func (k *keeper) write(saved saved) error {
	for _, fault := range saved.Faults {
		k.log.Error("engine: a state cannot be saved and stays in the file as it was", "error", fault)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if saved.Version <= k.version {
		return nil
	}
	jobs, err := text(saved.jobs)
	if err != nil {
		return err
	}
	k.file.Jobs = jobs
	if err := k.file.Save(saved.Texts); err != nil {
		return err
	}
	k.version = saved.Version
	return nil
}

// take has the loop run f as a turn and returns what f did, or false where f did not come to its end before ctx.
func take[T any](ctx context.Context, l *loop.Loop, f func() T) (result T, ended bool) {
	done := make(chan T, 1) // sent and closed by the turn
	err := l.Post("state", func() {
		defer close(done)
		done <- f()
	})
	if err != nil {
		return result, false
	}
	select {
	case result, ended = <-done:
		return result, ended
	case <-ctx.Done():
		return result, false
	}
}
