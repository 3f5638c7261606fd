// Package persist owns server.state on the disk: the state file, when it is read, saved and tidied, and the list of jobs whose
// effect it contains. It must not know what the tables mean, nor what a job does.
package persist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/config"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/queue"
	"perigee/engine/script/store"
)

const (
	tidyInterval  = time.Second // between two calls of Store.Tidy, which shrinks tables that have become sparse
	retryInterval = time.Second // between two attempts at a save that jobs wait for
	warnInterval  = time.Minute // between two log lines about the same state that cannot be saved
)

// errNoSnapshot is returned if the turn that takes a snapshot of the state panicked, or did not run in time.
var errNoSnapshot = errors.New("persist: the event loop did not take a snapshot of the state in time")

// errUnsaved is the outcome of a job that ran while a part of the state cannot be encoded and so cannot be saved.
var errUnsaved = errors.New("the job ran, but the state cannot be saved")

// Saver holds the scripts' state and saves it to its file. It encodes the state on the loop and writes it elsewhere.
type Saver struct {
	// Store holds the tables. Set by New, never changed; only the loop uses it.
	Store *store.Store
	// Applied are the jobs whose effect is in the state.
	Applied AppliedJobs

	// Set by New, never changed.
	file     *File         // nil if the state lives in memory only
	interval time.Duration // between two saves
	syncJobs bool          // jobs wait for saves, so a snapshot must be taken within one turn
	log      *slog.Logger
	wake     chan struct{} // capacity 1; notifyAfterSave sends, Run receives; never closed

	// Used by any goroutine.
	throttle        logging.Throttle // of log lines about states that cannot be saved
	saves, failures atomic.Uint64    // attempts to write the file that succeeded and failed
	faults          atomic.Int64     // states that cannot be encoded; the file keeps their last value

	// Guarded by waitingMu.
	waitingMu sync.Mutex
	waiting   []func(err error) // to call after the next save

	// Guarded by mu, which is held while the file is written.
	mu      sync.Mutex
	version uint64              // of the state in the file
	safe    []queue.Fingerprint // applied jobs whose effect is in the file
}

// New reads the file that the settings name, if any. A file that cannot be read is an error: the next save would overwrite it.
func New(c config.State, log *slog.Logger) (*Saver, error) {
	s := &Saver{
		Store: store.New(), interval: c.Interval.Std(), syncJobs: c.Sync == config.SyncJob, log: log, wake: make(chan struct{}, 1),
		throttle: logging.Throttle{Interval: warnInterval, MaxKeys: math.MaxInt}, // logFaults drops those that are corrected
	}
	if c.File == "" {
		return s, nil
	}
	var err error
	if s.file, err = Open(c.File); err != nil {
		return nil, err
	}
	texts, err := s.file.Read()
	if err != nil {
		return nil, err
	}
	if err := s.Store.Restore(texts); err != nil {
		return nil, fmt.Errorf("persist: state file %s is damaged: %w", s.file.path, err)
	}
	if err := s.Applied.restore(s.file.Jobs); err != nil {
		return nil, fmt.Errorf("persist: state file %s is damaged: its jobs: %w", s.file.path, err)
	}
	s.safe = s.Applied.List()
	return s, nil
}

// Run tidies and saves the state until ctx ends.
func (s *Saver) Run(ctx context.Context, l *loop.Loop) {
	tidy := time.NewTicker(tidyInterval)
	defer tidy.Stop()
	save := time.NewTicker(s.interval)
	defer save.Stop()
	retry := time.NewTimer(0)
	retry.Stop()
	defer retry.Stop()
	failing := false // the last save that jobs wait for failed; retry will fire
	saveWaiting := func() {
		err := s.saveWaiting(ctx, l)
		if err != nil && !failing {
			s.log.Error("persist: the state could not be saved; jobs wait for it; trying again", "error", err)
		}
		if failing = err != nil; failing {
			retry.Reset(retryInterval)
		}
	}
	for {
		select {
		case <-ctx.Done():
			for _, done := range s.takeWaiting() {
				done(errNoSnapshot)
			}
			return
		case <-tidy.C:
			runTurn(ctx, l, s.Store.Tidy)
		case <-s.wake:
			if !failing {
				saveWaiting()
			}
		case <-retry.C:
			saveWaiting()
		case <-save.C:
			if err := s.Save(ctx, l); err != nil && ctx.Err() == nil { // after ctx, SaveFinal follows
				s.log.Error("persist: the state could not be saved; the next save tries again", "error", err)
			}
		}
	}
}

// SyncsJobs reports whether a job must not be deleted before its effect is saved.
func (s *Saver) SyncsJobs() bool { return s.syncJobs }

// JobApplied calls done once the effect of a job is saved, or with an error if it cannot be. It must be called in the turn that
// ends the job, so that no save contains the effect without the job.
func (s *Saver) JobApplied(job queue.Fingerprint, done func(err error)) {
	s.Applied.add(job)
	s.notifyAfterSave(func(err error) {
		if errors.Is(err, errUnsaved) {
			s.Applied.Remove(job.ID)
		}
		done(err)
	})
}

// notifyAfterSave calls done once the present state is saved, or with errUnsaved if a part of it cannot be encoded. It is safe
// for concurrent use.
func (s *Saver) notifyAfterSave(done func(err error)) {
	s.waitingMu.Lock()
	s.waiting = append(s.waiting, done)
	s.waitingMu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// saveWaiting saves once for all callers of notifyAfterSave so far. If the file cannot be written they keep waiting: their
// jobs are not run again.
func (s *Saver) saveWaiting(ctx context.Context, l *loop.Loop) error {
	waiting := s.takeWaiting()
	faults, err := s.save(ctx, l)
	if err != nil && ctx.Err() == nil {
		s.waitingMu.Lock()
		s.waiting = append(waiting, s.waiting...)
		s.waitingMu.Unlock()
		return err
	}
	if err == nil && len(faults) > 0 {
		// Permanent: another attempt would apply the job twice.
		err = queue.Permanent(fmt.Errorf("%w: %w", errUnsaved, faults[0]))
	}
	for _, done := range waiting {
		done(err)
	}
	return nil
}

// takeWaiting returns the callbacks that wait for a save, and removes them.
func (s *Saver) takeWaiting() []func(err error) {
	s.waitingMu.Lock()
	defer s.waitingMu.Unlock()
	waiting := s.waiting
	s.waiting = nil
	return waiting
}

// Save writes the state to the file if it has changed since the last save. If writing fails, the next save tries again. A state
// that cannot be encoded is logged, and the file keeps its last value. It is safe for concurrent use, but must not be called on
// the loop, for which it waits.
func (s *Saver) Save(ctx context.Context, l *loop.Loop) error {
	_, err := s.save(ctx, l)
	return err
}

// save is Save. The faults are those of the states that cannot be encoded.
func (s *Saver) save(ctx context.Context, l *loop.Loop) (faults []error, err error) {
	if s.file == nil {
		return nil, nil
	}
	snapshot, ok := s.snapshot(ctx, l)
	if !ok {
		return nil, errNoSnapshot
	}
	return snapshot.Faults, s.write(snapshot)
}

// snapshot encodes the state on the loop: in one turn if jobs wait for saves, else in steps, so that other turns run in
// between.
func (s *Saver) snapshot(ctx context.Context, l *loop.Loop) (now snapshot, ok bool) {
	if s.syncJobs {
		return runTurn(ctx, l, s.snapshotNow)
	}
	started, ok := runTurn(ctx, l, s.Store.StartSnapshot)
	for done := false; ok && !done; {
		done, ok = runTurn(ctx, l, started.Step)
	}
	if !ok {
		return snapshot{}, false
	}
	return runTurn(ctx, l, func() snapshot { return snapshot{s.Store.Saved(), s.Applied.List()} })
}

// snapshotNow encodes the state at once. Only the loop may call it, or Run's caller after the loop has ended.
func (s *Saver) snapshotNow() snapshot {
	return snapshot{s.Store.Save(), s.Applied.List()}
}

// SaveFinal saves after the loop has ended.
func (s *Saver) SaveFinal() error {
	if s.file == nil {
		return nil
	}
	return s.write(s.snapshotNow())
}

// snapshot is the state to write: the encoded tables and the jobs whose effect they contain.
type snapshot struct {
	store.Saved
	jobs []queue.Fingerprint
}

func (s *Saver) write(now snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logFaults(now.Faults)
	if len(now.Faults) > 0 { // the effect of jobs applied since may be missing from the file
		now.jobs = slices.DeleteFunc(now.jobs, func(job queue.Fingerprint) bool { return !slices.Contains(s.safe, job) })
	}
	if now.Version <= s.version {
		s.safe = now.jobs
		return nil
	}
	jobs, err := encode(now.jobs)
	if err != nil {
		return err
	}
	s.file.Jobs = jobs
	if err := s.file.Save(now.Texts); err != nil {
		s.failures.Add(1)
		return err
	}
	s.saves.Add(1)
	s.version, s.safe = now.Version, now.jobs
	return nil
}

// Counts returns how often the file was written, how often writing it failed, and how many states cannot be encoded at present.
// It is safe for concurrent use.
func (s *Saver) Counts() (saves, failures uint64, faults int) {
	return s.saves.Load(), s.failures.Load(), int(s.faults.Load())
}

// logFaults logs new faults at once, and those that remain every warnInterval. mu must be held.
func (s *Saver) logFaults(faults []error) {
	s.faults.Store(int64(len(faults)))
	current := make(map[string]bool, len(faults))
	for _, fault := range faults {
		current[fault.Error()] = true
		if s.throttle.Allow(fault.Error(), time.Now()).Allowed {
			s.log.Error("persist: a state cannot be saved; the file keeps its last value", "error", fault)
		}
	}
	s.throttle.Retain(current)
}

// runTurn runs f as a turn of the loop and returns its result; ok is false if f did not return before ctx ended.
func runTurn[T any](ctx context.Context, l *loop.Loop, f func() T) (result T, ok bool) {
	done := make(chan T, 1) // sent and closed by the turn
	err := l.PostWithin(ctx, "state", func() {
		defer close(done)
		done <- f()
	})
	if err != nil {
		return result, false
	}
	select {
	case result, ok = <-done:
		return result, ok
	case <-ctx.Done():
		return result, false
	}
}
