package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"perigee/engine/broker/outbox"
	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/trace"
)

// shouting is a manager that answers Ping, and tells everybody of a Shout.
const shouting = `
local base = require("manager")
local server = require("server")
local app = base:extend()
function app:boot()
  server.message("Ping", { protection = "none" }, function(client, message)
    client:send("Pong", { number = message.number, text = message.text })
  end)
  server.message("Shout", { protection = "none" }, function(_, message)
    server.broadcast("Heard", { number = message.number, text = message.text })
  end)
end
function app:roster() end
return app
`

// Requests to a Lua handler, and messages to 100 clients, while nobody traces, and while a trace of everybody is read as perigee trace
// does. The ratios are those with the trace divided by those without.
func BenchmarkTrace(b *testing.B) {
	dir := b.TempDir()
	write(b, dir, map[string]string{"shouting.lua": shouting})
	server := startAnswering(b, func(c *config.Config) { c.Lua.Path, c.Lua.Manager = dir, "shouting" })
	clients, crowd := connectRequesters(b, server.Socket, "Pong"), connectRequesters(b, server.Socket, "Heard")
	var requests, traced, fanOut, tracedFanOut float64
	runs := 0.0
	for b.Loop() {
		runs++
		_, without := clients.measure(b, 16, time.Second)
		requests, fanOut = requests+without, fanOut+crowd.fanOut(b, 200)
		end := readTrace(b, server)
		_, with := clients.measure(b, 16, time.Second)
		traced, tracedFanOut = traced+with, tracedFanOut+crowd.fanOut(b, 200)
		end()
	}
	b.ReportMetric(requests/runs, "requests/s")
	b.ReportMetric(traced/requests, "ratio-requests")
	b.ReportMetric(fanOut/runs, "deliveries/s")
	b.ReportMetric(tracedFanOut/fanOut, "ratio-deliveries")
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

// fanOut has one client shout, until all have heard it, and returns how many frames per second they received.
func (r *requesters) fanOut(b *testing.B, shouts int) (perSecond float64) {
	b.Helper()
	batch := bytes.Repeat(masked(outbox.TextFrame, `{"name":"Shout","number":1795384421,"text":"a message of about eighty bytes"}`), shouts)
	began := time.Now()
	var wg sync.WaitGroup
	for i, c := range r.clients {
		sent := batch
		if i > 0 {
			sent = nil
		}
		wg.Go(func() {
			if err := c.exchange(sent, r.answer, shouts); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return float64(shouts*len(r.clients)) / time.Since(began).Seconds()
}
