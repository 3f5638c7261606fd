package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// greedy is an application whose handlers wait for good, in every way in which a message can start something that waits.
const greedy = `
local waiting, failed = 0, 0
local function wait()
  waiting = waiting + 1
  pcall(function() server.promise(function() end):await() end)
  waiting, failed = waiting - 1, failed + 1
end
local ways = {
  async = function() server.async(wait)() end,
  callback = function() server.promise(function(resolve) resolve() end):next(wait) end,
  next = function() server.next("Wait") end,
  delay = function() server.delay(1, "Wait") end,
  after = function() server.after(1, wait) end,
  every = function() server.every(1, wait) end,
  async_in_timer = function() server.after(1, function() server.async(wait)() end) end,
  async_in_async = function() server.async(function() server.async(wait)() end)() end,
}
function app:boot()
  base.boot(self)
  server.command("Wait", wait)
  server.message("Start", { protection = "none" }, function(_, message)
    for _ = 1, message.count do ways[message.way]() end
  end)
  server.message("Reset", { protection = "none" }, function(client)
    waiting, failed = 0, 0
    client:send("Counted")
  end)
  server.message("Hang", { protection = "none" }, function(client)
    client:send("Begun")
    server.promise(function() end):await()
  end)
  server.message("Listened", { protection = "none" })
  server.command("Hang", function() server.promise(function() end):await() end)
  server.listen("Listened", "Hang")
  server.message("Count", { protection = "none" }, function(client)
    server.sleep(0)
    client:send("Counted", { waiting = waiting, failed = failed })
  end)
  server.message("Ask", { protection = "none" }, function(client, message)
    local response = http.get(server.config.url .. message.path)
    client:send("Answered", { status = response and response.status })
  end)
end`

// refused is the answer to a message that a limit refuses.
func refused(f enginetest.Frame) bool {
	return f["exception"] == "TooManyMessages" && f["previous"] != nil
}

// Whatever a handler starts counts for the connection that sent its message, and that connection alone is refused more.
func TestWaitingPerConnection(t *testing.T) {
	server := application(t, greedy, func(c *config.Config) {
		c.Lua.AwaitTimeout = config.Duration(time.Hour)
		c.Lua.MaxWaiting = 1200
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1_000_000, 1_000_000 // the victim asks again and again
	})
	victim := server.Dial(t, "victim")
	for _, way := range []string{"async", "callback", "next", "delay", "after", "async_in_timer", "async_in_async", "every"} {
		victim.Send(`{"name":"Reset"}`)
		victim.Expect("Counted")
		alice := server.Dial(t, way)
		alice.Send(`{"name":"Start","count":100,"way":"` + way + `"}`)
		waiting, failed := 0.0, 0.0
		for waiting+failed < 100 {
			victim.Send(`{"name":"Count"}`)
			count := victim.Expect("Counted")
			waiting, _ = count["waiting"].(float64)
			failed, _ = count["failed"].(float64)
		}
		if waiting != 64 {
			t.Errorf("%s: %v handlers of one connection wait, want 64", way, waiting)
		}
		alice.Send(`{"id":"1","name":"Hang"}`)
		if f := alice.Expect("MessageException"); !refused(f) {
			t.Errorf("%s: one more message of that connection < %v, want TooManyMessages before its handler begins", way, f)
		}
	}
	if n := strings.Count(server.Log(), "level=ERROR"); n != 0 {
		t.Errorf("the log has %d errors, want none:\n%s", n, server.Log())
	}
}

// Eight clients send messages to a handler that waits until they are refused, more in all than may wait. The log says so once,
// and another client is never refused. When they have gone, what they have started still counts for them.
func TestGreedyClients(t *testing.T) {
	for _, message := range []string{"Hang", "Listened"} {
		t.Run(message, func(t *testing.T) {
			server := application(t, greedy, func(c *config.Config) {
				c.Lua.AwaitTimeout = config.Duration(time.Hour)
				c.Lua.MaxWaiting = 300 // 8 times 64 are more
				c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1_000_000, 1_000_000
			})
			victim := server.Dial(t, "victim")
			count := func() {
				victim.Send(`{"name":"Count"}`)
				victim.Expect("Counted")
			}
			for range 8 {
				alice := server.Dial(t, "greedy")
				for range 200 {
					alice.Send(`{"id":"1","name":"` + message + `"}`)
				}
				for range 200 - 64 {
					f := alice.Next()
					for f.Name() != "MessageException" {
						f = alice.Next()
					}
					if !refused(f) {
						t.Errorf("a greedy client < %v, want TooManyMessages", f)
					}
				}
				count()
				alice.Close(1000, "")
				count()
			}
			if n := strings.Count(server.Log(), `msg="limit reached" setting=limits.waiting_per_connection value=64 `); n != 1 {
				t.Errorf("the log names limits.waiting_per_connection %d times, want once:\n%s", n, server.Log())
			}
		})
	}
}

// A client that closes and comes again gets no more places for handlers that wait, nor for HTTP requests. Another client is never
// refused and its requests have places.
func TestReconnectingClient(t *testing.T) {
	other := otherServer(t)
	for _, row := range []struct {
		greedy, message, answer string
		maxWaiting, maxRequests int
	}{
		{`{"id":"1","name":"Hang"}`, `{"name":"Count"}`, "Counted", 100, 256},
		{`{"id":"1","name":"Ask","path":"/wait"}`, `{"name":"Ask","path":"/echo"}`, "Answered", 1000, 20},
	} {
		t.Run(row.answer, func(t *testing.T) {
			server := application(t, greedy, func(c *config.Config) {
				c.App = map[string]any{"url": other.URL}
				c.Lua.AwaitTimeout, c.HTTP.Timeout = config.Duration(time.Hour), config.Duration(time.Hour)
				c.Lua.MaxWaiting, c.HTTP.MaxRequests = row.maxWaiting, row.maxRequests
				c.Limits.WaitingPerConnection = 10
			})
			first := server.Dial(t, "first")
			for range 30 {
				greedy := server.Dial(t, "greedy")
				for range 11 {
					greedy.Send(row.greedy)
				}
				for !refused(greedy.Next()) {
				}
				greedy.Close(1000, "")
				first.Send(row.message)
				first.Expect(row.answer)
			}
		})
	}
}

// Four clients have requests under way to a server that does not answer. Another client's request does not wait for them.
func TestGreedyRequests(t *testing.T) {
	other := otherServer(t)
	server := application(t, greedy, func(c *config.Config) {
		c.App = map[string]any{"url": other.URL}
		c.Lua.AwaitTimeout, c.HTTP.Timeout = config.Duration(time.Hour), config.Duration(time.Hour)
		c.HTTP.MaxRequests = 4*16 + 8
	})
	victim := server.Dial(t, "victim")
	for range 4 {
		alice := server.Dial(t, "greedy")
		for range 65 {
			alice.Send(`{"id":"1","name":"Ask","path":"/wait"}`)
		}
		if f := alice.Expect("MessageException"); !refused(f) {
			t.Errorf("the 65th message < %v, want TooManyMessages", f)
		}
	}
	for range 10 {
		victim.Send(`{"name":"Ask","path":"/echo"}`)
		if f := victim.Expect("Answered"); f["status"] != 200.0 {
			t.Errorf("the victim's request < %v, want status 200", f)
		}
	}
}

// A job is an owner of its own, without the limits of a connection: it may wait for many things at once.
func TestJobFansOut(t *testing.T) {
	server, _ := work(t, `
local server = require "server"
local base = require "manager"
local app = base:extend()
function app:roster() end
function app:boot()
  base.boot(self)
  local waiting = 0
  local rest = server.async(function()
    waiting = waiting + 1
    repeat server.sleep(1) until waiting == 200
  end)
  server.command("FanOut", function()
    local all = {}
    for i = 1, 200 do all[i] = rest() end
    server.all(all):await()
    server.broadcast("Done")
  end)
  server.message("Push", { protection = "none" }, function()
    server.push("FanOut")
  end)
end
return app`, nil)
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Push"}`)
	alice.Expect("Done")
}

// The 99th percentile of a client's round trips, and how many times longer it is than on a server of its own. Eight other clients
// send 47 messages a second each to a handler that waits, or four to one whose requests to another server are not answered. The
// client asks both servers by turns, so that whatever else the machine does delays both.
func BenchmarkGreedyClients(b *testing.B) {
	for _, row := range []struct {
		name, message string
		clients       int
	}{
		{"waiting", `{"name":"Hang"}`, 8},
		{"requests", `{"name":"Ask","path":"/wait"}`, 4},
	} {
		b.Run(row.name, func(b *testing.B) {
			other := otherServer(b)
			start := func() (*enginetest.Server, *enginetest.Client) {
				server := application(b, greedy, func(c *config.Config) {
					c.App = map[string]any{"url": other.URL}
					c.Lua.AwaitTimeout, c.HTTP.Timeout = config.Duration(time.Hour), config.Duration(time.Hour)
					c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1_000_000, 1_000_000
				})
				return server, server.Dial(b, "victim")
			}
			_, alone := start()
			server, beside := start()
			for range row.clients {
				sendForever(b, server, row.message)
			}
			time.Sleep(2 * time.Second) // until they are refused
			var trips [2][]time.Duration
			for b.Loop() {
				for i, victim := range []*enginetest.Client{alone, beside} {
					began := time.Now()
					victim.Send(`{"name":"Ask","path":"/echo"}`)
					if f := victim.Expect("Answered"); f["status"] != 200.0 {
						b.Fatalf("the victim's request < %v, want status 200", f)
					}
					trips[i] = append(trips[i], time.Since(began))
				}
			}
			var p99 [2]float64 // in microseconds
			for i, all := range trips {
				slices.Sort(all)
				p99[i] = float64(all[len(all)*99/100].Microseconds())
			}
			b.ReportMetric(p99[1], "p99-µs")
			b.ReportMetric(p99[1]/p99[0], "p99/alone")
		})
	}
}

// sendForever has a new client send a message 47 times a second until the benchmark ends.
func sendForever(b *testing.B, server *enginetest.Server, message string) {
	b.Helper()
	client := server.Dial(b, "greedy")
	ctx, stop := context.WithCancel(b.Context())
	var sending sync.WaitGroup
	b.Cleanup(func() {
		stop()
		sending.Wait()
	})
	sending.Go(func() {
		for ctx.Err() == nil && client.TrySend(message) == nil {
			time.Sleep(time.Second / 47)
		}
	})
}
