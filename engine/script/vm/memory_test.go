package vm

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// heap returns the live bytes of the process.
func heap() uint64 {
	runtime.GC()
	m := newMemory()
	m.read()
	return m.value(heapObjects)
}

// A slice during which memory grows too much is aborted. To spare the machine that runs the test, the scripts stop growing by
// themselves, but they do not end by themselves. Each grows to more than twice what the limit leaves: the memory of coroutines that earlier
// tests dropped may still be in use when the limit is set.
func TestMemory(t *testing.T) {
	m := start(t, Options{Memory: heap() + 16<<20, TurnTimeout: 20 * time.Second})
	for _, s := range []script{
		{name: "concatenation", source: `local all = {} for i = 1, 8 do local s = "x" for j = 1, 22 do s = s .. s end all[i] = s end while all do end`},
		{name: "pcall", source: `local all = {} for i = 1, 8 do pcall(function() all[i] = ("x"):rep(4e6) end) end while all do end`},
		{name: "table", source: `local t = {} for i = 1, 4e5 do t[i] = {} end while t do end`},
		{name: "coroutine", source: `local t = {} coroutine.wrap(function() for i = 1, 4e5 do t[i] = {} end while t do end end)()`},
		{name: "coroutines", source: `
			local function deep(n)
				if n == 0 then return coroutine.yield() end
				return (("x"):gsub("x", function() return deep(n - 1) end))
			end
			local all = {}
			for i = 1, 500 do
				all[i] = coroutine.wrap(deep)
				all[i](100)
			end
			while all do end`},
	} {
		t.Run(s.name, func(t *testing.T) {
			if o := m.run(t, s.source); !errors.Is(o.err, ErrMemory) {
				t.Errorf("%s: got %v, want %v", s.source, o, ErrMemory)
			}
			m.turn(t, func() {
				if n := len(m.coroutines.live); n > 1 {
					t.Errorf("coroutines after the call: got %d, want none", n)
				}
			})
			if o := m.run(t, `local t = os.clock() while os.clock() - t < 0.06 do end return "done"`); o.String() != "done" {
				t.Errorf("the call after: got %v, want done", o)
			}
		})
	}
}

// However fast a script fills the memory, and however much of it is garbage, the heap never gets much larger than twice the
// limit. Each script would continue to 2 GiB.
func TestMemoryPeak(t *testing.T) {
	limit := heap() + 64<<20
	m := start(t, Options{Memory: limit, TurnTimeout: 20 * time.Second})
	for _, s := range []script{
		{name: "strings", source: `local all = {} for i = 1, 128 do all[i] = ("x"):rep(16 * 1024 * 1024) end`},
		{name: "concatenation", source: `local all = {} for i = 1, 128 do local s = "x" for j = 1, 24 do s = s .. s end all[i] = s end`},
		{name: "half garbage", source: `local all = {} for i = 1, 128 do all[i] = ("x"):rep(8e6) .. ("x"):rep(8e6) end`},
		{name: "lists", source: `local all = {} for i = 1, 128 do all[i] = {} all[i][2 ^ 20 - 1] = 1 end`},
		{name: "tables", source: `local all = {} for i = 1, 4e6 do all[i] = { x = i } end`},
	} {
		t.Run(s.name, func(t *testing.T) {
			// On a busy machine the watcher may come late: one run in which it does not is enough.
			var least uint64 = math.MaxUint64
			for attempt := 0; attempt < 10 && least > limit/2*5; attempt++ {
				var o outcome
				least = min(least, peak(func() { o = m.run(t, s.source) }))
				if !errors.Is(o.err, ErrMemory) {
					t.Errorf("%s: got %v, want %v", s.source, o, ErrMemory)
				}
			}
			if least > limit/2*5 {
				t.Errorf("%s: the heap grew to %d MiB, want at most two and a half times %d MiB", s.source, least>>20, limit>>20)
			}
		})
	}
}

// peak returns the largest size of the heap while run ran, garbage included.
func peak(run func()) uint64 {
	var most uint64
	ended := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		m := newMemory()
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for {
			m.read()
			most = max(most, m.value(heapObjects))
			select {
			case <-ended:
				return
			case <-ticker.C:
			}
		}
	})
	run()
	close(ended)
	sampler.Wait()
	return most
}

// A huge number as an index does not make gopher-lua fill an array up to it.
func TestHugeIndex(t *testing.T) {
	if lua.MaxArrayIndex != 1<<20 {
		t.Errorf("lua.MaxArrayIndex: got %d, want %d", lua.MaxArrayIndex, 1<<20)
	}
	m := start(t, Options{TurnTimeout: 20 * time.Second})
	if o := m.run(t, `local t = {1} t[60000000] = 2 return #t + t[60000000]`); o.String() != "3" {
		t.Errorf("t[60000000] = 2: got %v, want 3", o)
	}
}

// A slice is not aborted because of garbage, even if the heap exceeds the limit because of it.
func TestGarbage(t *testing.T) {
	live := make([]byte, 64<<20)
	m := start(t, Options{Memory: heap() + 48<<20, TurnTimeout: time.Minute})
	o := m.run(t, `local s = ("x"):rep(1000) for i = 1, 200000 do local garbage = s .. i end return "done"`)
	if o.String() != "done" {
		t.Errorf("200 MB of garbage: got %v, want done", o)
	}
	runtime.KeepAlive(live)
}

// Aborted handlers leave neither memory nor goroutines behind.
func TestAbortedLeaveNothing(t *testing.T) {
	m := start(t, Options{TurnTimeout: time.Minute})
	fn := m.compiled(t, `
		local text = ("x"):rep(20000) .. tostring({})
		local function grip() return text, grip end
		local gen = coroutine.wrap(function() coroutine.yield(grip) end)
		gen()
		pcall(function() local mine = text .. "y"; (function() trip() return mine end)() end)`)
	stopped := func(n int) {
		for range n {
			var o outcome
			m.turn(t, func() {
				_, err := m.Call("call", 0, fn)
				o.err = err
			})
			if !errors.Is(o.err, ErrTimeout) {
				t.Fatalf("Call = %v, want %v", o, ErrTimeout)
			}
		}
	}
	stopped(10)
	memory, goroutines := heap(), runtime.NumGoroutine()
	stopped(1000)
	m.turn(t, func() { m.collect() })
	if grown := int64(heap() - memory); grown > 4<<20 {
		t.Errorf("heap after 1000 stopped calls: grown by %d bytes, want less than 4 MiB", grown)
	}
	if n := runtime.NumGoroutine() - goroutines; n > 10 {
		t.Errorf("goroutines after 1000 stopped calls: %d more, want none", n)
	}
}
