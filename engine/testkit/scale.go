package testkit

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
)

// FullScaleEnv is the environment variable that, set to "full", makes tests cause their faults at full scale.
const FullScaleEnv = "PERIGEE_FAULTS"

// MeasuredAttribute is the attribute of a test's output that holds what Measured was called with.
const MeasuredAttribute = "measured"

// Scale returns how many times, or for how many, a test causes its fault: ordinary, or full at full scale.
func Scale(ordinary, full int) int {
	if os.Getenv(FullScaleEnv) == "full" {
		return full
	}
	return ordinary
}

// Measured logs a figure, and hands it to engine/enginetest/faults, whose table shows it.
func Measured(tb testing.TB, format string, arguments ...any) {
	tb.Helper()
	text := fmt.Sprintf(format, arguments...)
	tb.Log(text)
	tb.Attr(MeasuredAttribute, text)
}

// Median returns the median of an odd number of values, which it sorts.
func Median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// HeapBytes returns the size of what is reachable on the heap.
func HeapBytes() float64 {
	runtime.GC()
	runtime.GC() // sync.Pool keeps what is in it for one more
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
