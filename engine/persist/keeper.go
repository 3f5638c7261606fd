// Package persist looks after the scripts' state: it reads it from its file before they boot, has it tidied, and saves it. It
// owns when that happens and what the file says together, the tables and the jobs whose effect they have. It does not know
// what the tables hold, how the file is written, nor what a job does.
package persist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/script/store"
	"perigee/engine/state"
)

// tidyInterval is how often the scripts' state is looked through for tables that keep more than they hold.
const tidyInterval = time.Second

// saveAgain is the time between two attempts at a save that jobs wait for.
const saveAgain = time.Second

// complainAgain is how often the log tells of a state that cannot be saved.
const complainAgain = time.Minute

// errNotTaken is returned where a turn that looks at the state ended early, or has not come in time.
var errNotTaken = errors.New("keeper: the loop could not look at the state")

// errUnsaved is told to those that wait for a save, where a state has no text that could be saved.
var errUnsaved = errors.New("keeper: it was done, and the state cannot be saved")

// Keeper has the scripts' state and its file. Texts are made on the loop; the disk is waited for elsewhere.
type Keeper struct {
	// Store has the tables. It is set by New, never changed, and for the loop.
	Store *store.Store
	// Ledger has the jobs that the state knows.
	Ledger Ledger

	// Set by New, never changed.
	file     *state.File   // nil where state lives in memory only
	interval time.Duration // between two saves
	whole    bool          // jobs wait for saves: all texts are to be of one moment
	log      *slog.Logger
	due      chan struct{} // capacity 1; after sends, Run receives; never closed

	// Used by any goroutine.
	throttle       logging.Throttle // of log lines about states that cannot be saved
	saves, refused atomic.Uint64    // of the file: those that were written, and those that the disk refused
	faults         atomic.Int64     // states that stay in the file as they were

	// Guarded by waiting.
	waiting sync.Mutex
	unsaved []func(err error) // whom to tell of the next save

	// Guarded by mu, which is held while the file is written.
	mu      sync.Mutex
	version uint64      // of what the file holds
	safe    []queue.Ran // those of the ledger whose effect the file has
}

// Claim makes the file that the settings name, if any, this process's own until release is called: before New, so that what New
// reads is what the server before has saved last. Another that runs has it: [state.ErrTaken].
func Claim(c config.State) (release func() error, err error) {
	if c.File == "" {
		return func() error { return nil }, nil
	}
	file, err := state.Open(c.File)
	if err != nil {
		return nil, err
	}
	return file.Claim()
}

// New reads the file that the settings name, if any. One that cannot be read is an error: to go on without it would
// be to overwrite it.
func New(c config.State, log *slog.Logger) (*Keeper, error) {
	k := &Keeper{
		Store: store.New(), interval: c.Interval.Std(), whole: c.Sync == config.SyncJob, log: log, due: make(chan struct{}, 1),
		throttle: logging.Throttle{Interval: complainAgain},
	}
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
	if err := k.Store.Restore(texts); err != nil {
		return nil, fmt.Errorf("keeper: state file %s is damaged: %w", k.file.Path(), err)
	}
	if err := k.Ledger.restore(k.file.Jobs); err != nil {
		return nil, fmt.Errorf("keeper: state file %s is damaged: its jobs: %w", k.file.Path(), err)
	}
	k.safe = k.Ledger.List()
	return k, nil
}

// Run tidies and saves until ctx ends.
func (k *Keeper) Run(ctx context.Context, l *loop.Loop) {
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
			k.log.Error("keeper: jobs wait for the state to be saved", "error", err)
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
			take(ctx, l, k.Store.Tidy)
		case <-k.due:
			if !refused {
				settle()
			}
		case <-again.C:
			settle()
		case <-save.C:
			if err := k.Save(ctx, l); err != nil && ctx.Err() == nil { // else the last save is yet to come
				k.log.Error("keeper: saving the state", "error", err)
			}
		}
	}
}

// HoldsJobs tells whether a job is to be gone only after what it did has been saved.
func (k *Keeper) HoldsJobs() bool { return k.whole }

// Done calls told once what a job has done is saved; with an error where no save of it can be made. It is called in the turn
// that ends the job, so that no save has its effect without it.
func (k *Keeper) Done(job queue.Ran, told func(err error)) {
	k.Ledger.add(job)
	k.after(func(err error) {
		if errors.Is(err, errUnsaved) {
			k.Ledger.Remove(job.ID)
		}
		told(err)
	})
}

// after calls told once what the state is now has been saved, or could not be; with errUnsaved where no save of it can be
// made. Any goroutine may call it.
func (k *Keeper) after(told func(err error)) {
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
func (k *Keeper) settle(ctx context.Context, l *loop.Loop) error {
	unsaved := k.waiters()
	faults, err := k.save(ctx, l)
	if err != nil && ctx.Err() == nil {
		k.waiting.Lock()
		k.unsaved = append(unsaved, k.unsaved...)
		k.waiting.Unlock()
		return err
	}
	if err == nil && len(faults) > 0 {
		// Another attempt would do it once more.
		err = fmt.Errorf("%w: %w: %w", queue.ErrNever, errUnsaved, faults[0])
	}
	for _, told := range unsaved {
		told(err)
	}
	return nil
}

// waiters takes those that wait for a save.
func (k *Keeper) waiters() []func(err error) {
	k.waiting.Lock()
	defer k.waiting.Unlock()
	unsaved := k.unsaved
	k.unsaved = nil
	return unsaved
}

// Save writes the state to the file if it has changed since the last time. What could not be written is tried again with
// the next save; states that have no text stay in the file as they were, and the log says so. Any goroutine may call it but
// that of the loop, for which it waits.
func (k *Keeper) Save(ctx context.Context, l *loop.Loop) error {
	_, err := k.save(ctx, l)
	return err
}

// save is Save. The faults are those of the states that stay in the file as they were.
func (k *Keeper) save(ctx context.Context, l *loop.Loop) (faults []error, err error) {
	if k.file == nil {
		return nil, nil
	}
	saved, ok := k.look(ctx, l)
	if !ok {
		return nil, errNotTaken
	}
	return saved.Faults, k.write(saved)
}

// look has the loop make what there is to save: of one moment where jobs wait for it, else in pieces, so that other turns
// come in between.
func (k *Keeper) look(ctx context.Context, l *loop.Loop) (now saved, ended bool) {
	if k.whole {
		return take(ctx, l, k.all)
	}
	round, ended := take(ctx, l, k.Store.Round)
	for done := false; ended && !done; {
		done, ended = take(ctx, l, round.Step)
	}
	if !ended {
		return saved{}, false
	}
	return take(ctx, l, func() saved { return saved{k.Store.Saved(), k.Ledger.List()} })
}

// all is what there is to save at this moment. The loop alone calls it, or whoever is left.
func (k *Keeper) all() saved {
	return saved{k.Store.Save(), k.Ledger.List()}
}

// Last saves after the loop has ended, when the state belongs to whoever is left.
func (k *Keeper) Last() error {
	if k.file == nil {
		return nil
	}
	return k.write(k.all())
}

// saved is what the file is to have.
type saved struct {
	store.Saved
	jobs []queue.Ran
}

func (k *Keeper) write(saved saved) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.complain(saved.Faults)
	if len(saved.Faults) > 0 { // what other jobs have done since may be missing from the file
		saved.jobs = slices.DeleteFunc(saved.jobs, func(job queue.Ran) bool { return !slices.Contains(k.safe, job) })
	}
	if saved.Version <= k.version {
		k.safe = saved.jobs
		return nil
	}
	jobs, err := text(saved.jobs)
	if err != nil {
		return err
	}
	k.file.Jobs = jobs
	if err := k.file.Save(saved.Texts); err != nil {
		k.refused.Add(1)
		return err
	}
	k.saves.Add(1)
	k.version, k.safe = saved.Version, saved.jobs
	return nil
}

// Counts returns how often the file was written, how often the disk refused, and how many states stay in it as they were. Any
// goroutine may call it.
func (k *Keeper) Counts() (saves, refused uint64, faults int) {
	return k.saves.Load(), k.refused.Load(), int(k.faults.Load())
}

// complain logs the faults that are new, and those that stand again and again. It is called with mu held.
func (k *Keeper) complain(faults []error) {
	k.faults.Store(int64(len(faults)))
	current := make(map[string]bool, len(faults))
	for _, fault := range faults {
		current[fault.Error()] = true
		if k.throttle.Allow(fault.Error(), time.Now()).Allowed {
			k.log.Error("keeper: a state cannot be saved and stays in the file as it was", "error", fault)
		}
	}
	k.throttle.Retain(current)
}

// take has the loop run f as a turn and returns what f did, or false where f did not come to its end before ctx.
func take[T any](ctx context.Context, l *loop.Loop, f func() T) (result T, ended bool) {
	done := make(chan T, 1) // sent and closed by the turn
	err := l.PostWithin(ctx, "state", func() {
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
