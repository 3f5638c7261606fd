package vm

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"perigee/engine/loop"
)

// Intervals of the watcher.
const (
	watchTime = loop.TurnInterval
	watchHeap = 5 * time.Millisecond // a script can make 4 GB of strings a second, or 20 MB in one interval
)

// Above memoryCeiling times Options.Memory, garbage is collected even if the last collection was just before.
const memoryCeiling = 2

// A slice that still runs although its limit has tripped hangs once it has taken hangAfter times its timeout, and at least
// minHang longer than it: unwinding a deep stack of calls takes seconds.
const (
	hangAfter = 5
	minHang   = 5 * time.Second
)

// limits holds whether a slice runs and whether it must end. The state is one word, so that the watcher can trip exactly the
// slice that it has seen: bit 0 means that a slice runs, bits 62 and 63 are the reason why it tripped, bit 61 means that it
// is held, and the bits between count slices.
type limits struct {
	state   atomic.Uint64
	gate    sync.Mutex   // locked by the watcher while the slice is held
	timeout atomic.Int64 // of the running slice, in ns; 0 means none
	aborted atomic.Bool  // every slice trips as soon as it begins
	closed  chan struct{}
}

// Reasons why a slice tripped.
const (
	trippedTime    = 1 << 62
	trippedMemory  = 2 << 62
	trippedStopped = 3 << 62
)

// held is the bit of a slice that is paused until it is known whether it uses too much memory.
const held = 1 << 61

func newLimits() *limits {
	l := &limits{closed: make(chan struct{})}
	close(l.closed)
	return l
}

// begin starts a slice.
func (l *limits) begin(timeout time.Duration) {
	l.timeout.Store(int64(timeout))
	slice := l.state.Load()&^(trippedStopped|held) + 1
	l.state.Store(slice)
	if l.aborted.Load() {
		l.trip(slice, trippedStopped)
	}
}

// end ends the slice and returns its timeout. It clears the reason why the slice tripped.
func (l *limits) end() time.Duration {
	l.state.Store(l.state.Load()&^(trippedStopped|held) + 1)
	return time.Duration(l.timeout.Load())
}

// trip trips a slice, unless it has ended or tripped already.
func (l *limits) trip(slice, why uint64) {
	slice &^= held
	if slice&1 == 1 && slice < trippedTime && !l.state.CompareAndSwap(slice, slice|why) {
		l.state.CompareAndSwap(slice|held, slice|why|held)
	}
}

// hold pauses a slice, the next time that it checks its limits, until release is called. It reports whether the slice runs and
// has not tripped; otherwise nothing is held.
func (l *limits) hold(slice uint64) bool {
	l.gate.Lock()
	if slice&1 == 1 && slice < held && l.state.CompareAndSwap(slice, slice|held) {
		return true
	}
	l.gate.Unlock()
	return false
}

// release ends a hold.
func (l *limits) release() {
	l.state.And(^uint64(held))
	l.gate.Unlock()
}

// waitIfHeld waits while the slice is held.
func (l *limits) waitIfHeld() {
	if l.state.Load()&held != 0 {
		l.gate.Lock()
		l.gate.Unlock() //nolint:staticcheck // the lock guards nothing; getting it is the end of the wait
	}
}

// done returns a closed channel if the slice has tripped, else nil. It is called at every instruction.
func (l *limits) done() <-chan struct{} {
	if l.state.Load() < held {
		return nil
	}
	return l.doneSlow()
}

// doneSlow is done for a slice that is held or has tripped.
func (l *limits) doneSlow() <-chan struct{} {
	l.waitIfHeld()
	if l.state.Load() < trippedTime {
		return nil
	}
	return l.closed
}

// cause returns the reason why the slice tripped as an error, or nil.
func (l *limits) cause() error {
	switch l.state.Load() & trippedStopped {
	case trippedTime:
		return ErrTimeout
	case trippedMemory:
		return ErrMemory
	case trippedStopped:
		return ErrStopped
	}
	return nil
}

// Abort aborts the running slice, and each later one as soon as it begins, with ErrStopped. Any goroutine may call it.
func (v *VM) Abort() {
	v.limits.aborted.Store(true)
	v.limits.trip(v.limits.state.Load(), trippedStopped)
}

// Watch enforces the limits until ctx ends. Without it there are none. The owner runs it on a separate goroutine that outlives
// the one that runs Lua: nothing else can end a script that does not end by itself.
func (v *VM) Watch(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { v.watchHeap(ctx) })
	v.watchTime(ctx)
	wg.Wait()
}

func (v *VM) watchTime(ctx context.Context) {
	ticker := time.NewTicker(watchTime)
	defer ticker.Stop()
	running := loop.NewRunningTime(watchTime)
	var slice uint64
	var spent time.Duration
	ticks := 0 // since the slice tripped; counted, so that a process that was suspended does not look as if it hung
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		word := v.limits.state.Load()
		now, ran := word&^held, running.Tick()
		timeout := time.Duration(v.limits.timeout.Load())
		switch {
		case now != slice:
			slice, spent, ticks = now, 0, 0
		case word&held != 0: // this time is not charged to the slice
		case slice >= trippedTime:
			if ticks++; ticks == hangTicks(timeout) && v.options.OnHang != nil {
				v.options.OnHang(timeout + time.Duration(ticks)*watchTime)
			}
		default:
			if spent += ran; timeout > 0 && spent >= timeout {
				v.limits.trip(slice, trippedTime)
			}
		}
	}
}

// hangTicks is the number of times that the watcher sees a tripped slice before it takes it for hung.
func hangTicks(timeout time.Duration) int {
	return int(max((hangAfter-1)*timeout, minHang) / watchTime)
}

func (v *VM) watchHeap(ctx context.Context) {
	memory := newMemory()
	ticker := time.NewTicker(watchHeap)
	defer ticker.Stop()
	var collections uint64
	var rest time.Time // until then no collection is forced
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		slice := v.limits.state.Load()
		memory.read()
		if n := memory.value(collected); n != collections {
			collections = n
			v.collected.Store(true)
		}
		if !v.high(memory, rest) || !v.limits.hold(slice) {
			continue
		}
		// The value includes garbage, which must not abort a slice. The slice is held so that it makes no more garbage during
		// the collection. Collections take a fifth of the time at most, however large the heap is.
		began := time.Now()
		runtime.GC()
		memory.read()
		if memory.value(heapObjects) > v.options.Memory {
			v.limits.trip(slice, trippedMemory)
		} else {
			rest = time.Now().Add(4 * time.Since(began))
		}
		v.limits.release()
	}
}

// high reports whether memory use is so high that garbage must be collected.
func (v *VM) high(m memory, rest time.Time) bool {
	limit := v.options.Memory
	if time.Now().Before(rest) {
		limit *= memoryCeiling
	}
	return limit > 0 && m.value(heapObjects) > limit
}

// memory has values of the Go runtime: memory in bytes, and the number of collections.
type memory []metrics.Sample

// Indexes into memory.
const (
	heapObjects = iota // with garbage
	collected
)

func newMemory() memory {
	return memory{
		heapObjects: {Name: "/memory/classes/heap/objects:bytes"},
		collected:   {Name: "/gc/cycles/total:gc-cycles"},
	}
}

func (m memory) read() { metrics.Read(m) }

func (m memory) value(index int) uint64 { return m[index].Value.Uint64() }
