package engine_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"perigee/engine/enginetest"
	"perigee/engine/testkit"
	"perigee/engine/trace"
)

// What a trace costs: requests and fan-out to 100 clients while nobody traces, and while a trace of everybody is read as perigee trace
// does. The ratios compare the processor time without a trace with that of one with it, reading included.
func BenchmarkTrace(b *testing.B) {
	server, clients := startRinging(b, true)
	for b.Loop() {
		var requests, fanOut [2][]float64 // without a trace, with one
		for range 9 {                     // in turns, since other programs disturb each differently
			for i, begin := range []func() (end func()){func() func() { return func() {} }, func() func() { return readTrace(b, server) }} {
				end := begin()
				request, frame := clients.times(b)
				requests[i], fanOut[i] = append(requests[i], request), append(fanOut[i], frame)
				end()
			}
		}
		b.ReportMetric(testkit.Median(requests[0]), "off-ns/request")
		b.ReportMetric(testkit.Median(requests[0])/testkit.Median(requests[1]), "traced/off")
		b.ReportMetric(testkit.Median(fanOut[0]), "off-ns/frame")
		b.ReportMetric(testkit.Median(fanOut[0])/testkit.Median(fanOut[1]), "fan-out-traced/off")
	}
}

// readTrace reads a trace of everybody until end is called.
func readTrace(b *testing.B, server *enginetest.Server) (end func()) {
	b.Helper()
	tap, err := server.Control.Trace(trace.Filter{}, 0)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			e, err := tap.Next(ctx)
			if err != nil {
				return // ctx has ended
			}
			if _, err := json.Marshal(e); err != nil {
				b.Error(err)
			}
		}
	})
	return func() {
		cancel()
		reading.Wait()
		tap.Close()
	}
}
