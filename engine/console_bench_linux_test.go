package engine_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// ringing is answering with a message that goes to all clients.
const ringing = `
local base = require("manager")
local server = require("server")
local app = base:extend()
function app:boot()
  server.message("Ping", { protection = "none" }, function(client, message)
    client:send("Pong", { number = message.number, text = message.text })
  end)
  server.message("Ring", { protection = "none" }, function() server.broadcast("Pong", { text = "a message of about eighty bytes" }) end)
end
function app:roster() end
return app
`

// startRinging runs a server with the manager ringing, without limits, and connects 100 clients.
func startRinging(b *testing.B, console bool) (*enginetest.Server, *requesters) {
	b.Helper()
	dir := b.TempDir()
	write(b, dir, map[string]string{"app.lua": ringing})
	server := startAnswering(b, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager, c.Console.Enabled = dir, "app", console
	})
	return server, connectRequesters(b, server.Socket, "Pong")
}

// A server without the console and one with it answer requests and broadcast to 100 clients; of the latter nobody asks anything, or a page
// reads the overview at the beginning of each measurement, which is far more often than a page does. The ratios compare the processor
// time of the two servers, which other programs on the machine hardly change.
func BenchmarkConsole(b *testing.B) {
	_, off := startRinging(b, false)
	server, on := startRinging(b, true)
	for b.Loop() {
		var requests, fanOut [3][]float64 // without a console, idle, open
		for range 9 {                     // in turns, since other programs disturb each differently
			for i, clients := range []*requesters{off, on, on} {
				stop := func() {}
				if i == 2 {
					stop = readOverview(b, server.Status.Console)
				}
				request, frame := clients.times(b)
				requests[i], fanOut[i] = append(requests[i], request), append(fanOut[i], frame)
				stop()
			}
		}
		b.ReportMetric(testkit.Median(requests[0]), "off-ns/request")
		b.ReportMetric(testkit.Median(requests[0])/testkit.Median(requests[1]), "idle/off")
		b.ReportMetric(testkit.Median(requests[0])/testkit.Median(requests[2]), "open/off")
		b.ReportMetric(testkit.Median(fanOut[0]), "off-ns/frame")
		b.ReportMetric(testkit.Median(fanOut[0])/testkit.Median(fanOut[1]), "fan-out-idle/off")
		b.ReportMetric(testkit.Median(fanOut[0])/testkit.Median(fanOut[2]), "fan-out-open/off")
	}
}

// times returns the processor time of one request and that of one frame of the fan-out, in nanoseconds.
func (r *requesters) times(b *testing.B) (request, frame float64) {
	b.Helper()
	const length = 300 * time.Millisecond // of one measurement
	request = timeOf(b, func() int {
		answered, _ := r.measure(b, 16, length)
		return answered
	})
	return request, timeOf(b, func() int { return r.fanOut(b, length) })
}

// timeOf returns the processor time of the process, clients included, for one of the requests or frames that run counts, in nanoseconds.
func timeOf(b *testing.B, run func() (n int)) float64 {
	b.Helper()
	before := testkit.ProcessorTime(b)
	n := run()
	return float64(testkit.ProcessorTime(b)-before) / float64(n)
}

// fanOut has the first client ring, waits until all have heard it, and so on. It returns how many frames have come.
func (r *requesters) fanOut(b *testing.B, length time.Duration) (frames int) {
	b.Helper()
	ring := masked(0x81, `{"name":"Ring"}`)
	began := time.Now()
	for time.Since(began) < length {
		for i, c := range r.clients {
			send := ring
			if i > 0 {
				send = nil
			}
			if err := c.exchange(send, r.answer, 1); err != nil {
				b.Fatal(err)
			}
			frames++
		}
	}
	return frames
}

// readOverview reads the overview as an open page does, until stop is called.
func readOverview(b *testing.B, console string) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, console+"api/overview", nil)
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer password")
			if answer, err := http.DefaultClient.Do(r); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
			select {
			case <-time.After(2 * time.Second):
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		reading.Wait()
	}
}
