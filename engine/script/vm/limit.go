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
	watchHeap = 25 * time.Millisecond
)

// A slice that goes on although its limit has tripped is stuck once it has taken stuckAfter times its timeout, and at
// least leastStuck beyond it: to unwind a deep stack of calls takes seconds.
const (
	stuckAfter = 5
	leastStuck = 5 * time.Second
)

// limits says whether a slice runs and whether it has to end. It is one word, so that the watcher can trip exactly the
// slice that it looked at: bit 0 says that a slice runs, bits 62 and 63 why it tripped, the bits between count.
type limits struct {
	word    atomic.Uint64
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

func newLimits() *limits {
	l := &limits{closed: make(chan struct{})}
	close(l.closed)
	return l
}

// begin starts a slice.
func (l *limits) begin(timeout time.Duration) {
	l.timeout.Store(int64(timeout))
	slice := l.word.Load()&^trippedStopped + 1
	l.word.Store(slice)
	if l.aborted.Load() {
		l.trip(slice, trippedStopped)
	}
}

// end ends the slice and returns its timeout. What tripped it is forgotten.
func (l *limits) end() time.Duration {
	l.word.Store(l.word.Load()&^trippedStopped + 1)
	return time.Duration(l.timeout.Load())
}

// trip makes a slice end, unless it has ended or tripped already.
func (l *limits) trip(slice, why uint64) {
	if slice&1 == 1 && slice < trippedTime {
		l.word.CompareAndSwap(slice, slice|why)
	}
}

// done returns a closed channel once the slice has tripped; nil blocks for ever and is cheap to ask.
func (l *limits) done() <-chan struct{} {
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
		now := v.limits.word.Load()
		timeout := time.Duration(v.limits.timeout.Load())
		switch {
		case now != slice:
			slice, since, ticks = now, time.Now(), 0
		case slice >= trippedTime:
			if ticks++; ticks == stuckTicks(timeout) && v.options.Stuck != nil {
				v.options.Stuck(timeout + time.Duration(ticks)*watchTime)
			}
		case timeout > 0 && time.Since(since) >= timeout:
			v.limits.trip(slice, trippedTime)
		}
	}
}

// stuckTicks is how often the watcher sees a slice that has tripped before it takes it for stuck.
func stuckTicks(timeout time.Duration) int {
	return int(max((stuckAfter-1)*timeout, leastStuck) / watchTime)
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
		high := memory.value(heapObjects) > v.options.Memory
		if v.options.Memory == 0 || !high || slice&1 == 0 || time.Now().Before(rest) {
			continue
		}
		// What was read includes garbage, which no slice can be blamed for. Collections are spaced to take a fifth of the
		// time at most, however large the heap is.
		began := time.Now()
		runtime.GC()
		memory.read()
		if memory.value(heapObjects) > v.options.Memory {
			v.limits.trip(slice, trippedMemory)
		} else {
			rest = time.Now().Add(4 * time.Since(began))
		}
	}
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
