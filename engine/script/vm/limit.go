package vm

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// How often the watcher looks.
const (
	watchTime = 10 * time.Millisecond
	watchHeap = 5 * time.Millisecond // a script makes 4 GB of strings a second: 20 MB until the watcher looks again
)

// memoryCeiling times Options.Memory is where garbage is collected however short ago that was done last.
const memoryCeiling = 2

// A slice that goes on although its limit has tripped is stuck once it has taken hangAfter times its timeout, and at
// least minHang beyond it: to unwind a deep stack of calls takes seconds.
const (
	hangAfter = 5
	minHang   = 5 * time.Second
)

// limits says whether a slice runs and whether it has to end. It is one word, so that the watcher can trip exactly the
// slice that it looked at: bit 0 says that a slice runs, bits 62 and 63 why it tripped, bit 61 that it is held, the bits
// between count.
type limits struct {
	word    atomic.Uint64
	gate    sync.Mutex   // the watcher's while the slice is held
	timeout atomic.Int64 // of the slice that runs, ns; 0 is none
	aborted atomic.Bool  // every slice trips as soon as it begins
	closed  chan struct{}
}

// Why a slice tripped.
const (
	trippedTime    = 1 << 62
	trippedMemory  = 2 << 62
	trippedStopped = 3 << 62
)

// held is the bit of a slice that does not go on until it is known whether it has too much memory.
const held = 1 << 61

func newLimits() *limits {
	l := &limits{closed: make(chan struct{})}
	close(l.closed)
	return l
}

// begin starts a slice.
func (l *limits) begin(timeout time.Duration) {
	l.timeout.Store(int64(timeout))
	slice := l.word.Load()&^(trippedStopped|held) + 1
	l.word.Store(slice)
	if l.aborted.Load() {
		l.trip(slice, trippedStopped)
	}
}

// end ends the slice and returns its timeout. What tripped it is forgotten.
func (l *limits) end() time.Duration {
	l.word.Store(l.word.Load()&^(trippedStopped|held) + 1)
	return time.Duration(l.timeout.Load())
}

// trip makes a slice end, unless it has ended or tripped already.
func (l *limits) trip(slice, why uint64) {
	slice &^= held
	if slice&1 == 1 && slice < trippedTime && !l.word.CompareAndSwap(slice, slice|why) {
		l.word.CompareAndSwap(slice|held, slice|why|held)
	}
}

// hold has a slice wait where it next asks its limits, until release. It tells whether the slice runs and has not tripped.
func (l *limits) hold(slice uint64) bool {
	l.gate.Lock()
	if slice&1 == 1 && slice < held && l.word.CompareAndSwap(slice, slice|held) {
		return true
	}
	l.gate.Unlock()
	return false
}

// release ends a hold.
func (l *limits) release() {
	l.word.And(^uint64(held))
	l.gate.Unlock()
}

// pass waits while the slice is held.
func (l *limits) pass() {
	if l.word.Load()&held != 0 {
		l.gate.Lock()
		l.gate.Unlock() //nolint:staticcheck // nothing is guarded: to have had the lock is the end of the wait
	}
}

// done returns a closed channel once the slice has tripped; nil blocks for ever and is cheap to ask.
func (l *limits) done() <-chan struct{} {
	if l.word.Load() < held {
		return nil
	}
	return l.ended()
}

// ended is done for a slice that is or was held, or has tripped.
func (l *limits) ended() <-chan struct{} {
	l.pass()
	if l.word.Load() < trippedTime {
		return nil
	}
	return l.closed
}

// cause returns why the slice tripped, or nil.
func (l *limits) cause() error {
	switch l.word.Load() & trippedStopped {
	case trippedTime:
		return ErrTimeout
	case trippedMemory:
		return ErrMemory
	case trippedStopped:
		return ErrStopped
	}
	return nil
}

// Abort ends the slice that runs, and each that begins from now on as soon as it begins, with ErrStopped: scripts get no
// more time. Any goroutine may call it.
func (v *VM) Abort() {
	v.limits.aborted.Store(true)
	v.limits.trip(v.limits.word.Load(), trippedStopped)
}

// Watch looks after the limits until ctx ends; without it there are none. The owner runs it on a goroutine of its own,
// and lets it outlive the goroutine that runs Lua: nothing else can end a script that does not.
func (v *VM) Watch(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { v.watchHeap(ctx) })
	v.watchTime(ctx)
	wg.Wait()
}

func (v *VM) watchTime(ctx context.Context) {
	ticker := time.NewTicker(watchTime)
	defer ticker.Stop()
	var slice uint64
	var since time.Time
	ticks := 0 // since the slice tripped; counted, so that a process that was halted does not look stuck
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		word := v.limits.word.Load()
		now := word &^ held
		timeout := time.Duration(v.limits.timeout.Load())
		switch {
		case now != slice:
			slice, since, ticks = now, time.Now(), 0
		case word&held != 0: // which is not its own time
			since = since.Add(watchTime)
		case slice >= trippedTime:
			if ticks++; ticks == hangTicks(timeout) && v.options.OnHang != nil {
				v.options.OnHang(timeout + time.Duration(ticks)*watchTime)
			}
		case timeout > 0 && time.Since(since) >= timeout:
			v.limits.trip(slice, trippedTime)
		}
	}
}

// hangTicks is how often the watcher sees a slice that has tripped before it takes it for stuck.
func hangTicks(timeout time.Duration) int {
	return int(max((hangAfter-1)*timeout, minHang) / watchTime)
}

func (v *VM) watchHeap(ctx context.Context) {
	memory := newMemory()
	ticker := time.NewTicker(watchHeap)
	defer ticker.Stop()
	var collections uint64
	var rest time.Time // until when no collection is forced
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		slice := v.limits.word.Load()
		memory.read()
		if n := memory.value(collected); n != collections {
			collections = n
			v.collected.Store(true)
		}
		if !v.high(memory, rest) || !v.limits.hold(slice) {
			continue
		}
		// What was read includes garbage, which no slice can be blamed for; the slice is held so that it makes no more of
		// it meanwhile. Collections are spaced to take a fifth of the time at most, however large the heap is.
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

// high tells whether the memory that was read calls for a collection.
func (v *VM) high(m memory, rest time.Time) bool {
	limit := v.options.Memory
	if time.Now().Before(rest) {
		limit *= memoryCeiling
	}
	return limit > 0 && m.value(heapObjects) > limit
}

// memory is what the Go runtime tells of its memory, in bytes, and of its collections.
type memory []metrics.Sample

// Places in memory.
const (
	heapObjects = iota // with those that the next collection will free
	collected
)

func newMemory() memory {
	return memory{
		heapObjects: {Name: "/memory/classes/heap/objects:bytes"},
		collected:   {Name: "/gc/cycles/total:gc-cycles"},
	}
}

func (m memory) read() { metrics.Read(m) }

func (m memory) value(place int) uint64 { return m[place].Value.Uint64() }
