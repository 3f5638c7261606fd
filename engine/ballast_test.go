package engine_test

import (
	"os"
	"runtime"
	"runtime/metrics"
	"testing"

	"perigee/engine/enginetest"
)

// While a server runs, garbage gathers before it is collected, however small the heap is.
func TestBallast(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC says when garbage is collected")
	}
	enginetest.Start(t, nil)
	const least = 32 << 20
	if goal := heap("/gc/heap/goal:bytes"); goal < least {
		t.Errorf("the collector begins at %d bytes of heap, want %d or more", goal, least)
	}
}

// heap collects the garbage and reads a figure of the runtime.
func heap(name string) uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
