package engine_test

import (
	"os"
	"runtime"
	"runtime/metrics"
	"testing"

	"perigee/engine/enginetest"
)

// While a server runs, garbage accumulates before it is collected, however small the heap is.
func TestHeapPadding(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC is set")
	}
	enginetest.Start(t, nil)
	const minimum = 32 << 20
	if goal := heap("/gc/heap/goal:bytes"); goal < minimum {
		t.Errorf("the collector starts at %d bytes of heap, want %d or more", goal, minimum)
	}
}

// heap collects the garbage and returns a metric of the runtime.
func heap(name string) uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
