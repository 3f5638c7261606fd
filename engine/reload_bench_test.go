package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
)

// How long the swap holds the loop, with 5,000 lines of scripts in 20 modules, 200 messages and 10 MB of state, all of which boot
// reads.
func BenchmarkReloadPause(b *testing.B) {
	f := newFolder(b, "")
	boot := "base.boot(self)\n"
	for m := range 20 {
		var text strings.Builder
		text.WriteString("local server = require(\"server\")\n")
		for i := range 10 {
			fmt.Fprintf(&text, "server.message(\"M%d_%d\", { protection = \"none\" }, function(client, message)\n", m, i)
			for range 22 {
				text.WriteString("  if message.n and message.n > 10 then client:send(\"Answer\", { n = message.n + 1 }) end\n")
			}
			text.WriteString("end)\n")
		}
		f.write(fmt.Sprintf("module%d.lua", m), text.String())
		boot += fmt.Sprintf("require(\"module%d\")\n", m)
	}
	boot += `
local state = server.state("state", {})
for i = #state + 1, 50000 do
  state[i] = { name = "somebody " .. i, score = i, note = string.rep("x", 100) }
end
server.every(1000, function() end)
server.message("Say", { protection = "none" }, function(client) client:send("Said") end)`
	f.write("app.lua", app(boot))
	s := f.serve(func(c *config.Config) {
		c.Lua.TurnTimeout, c.Lua.BootTimeout = config.Duration(10*time.Second), config.Duration(20*time.Second)
		c.Lua.Memory = 4 << 30
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1_000_000, 1_000_000
	})
	var pauses, whole []time.Duration
	for b.Loop() {
		r, err := s.Control.Reload(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		pauses, whole = append(pauses, r.Pause), append(whole, r.Took)
	}
	slices.Sort(pauses)
	slices.Sort(whole)
	b.ReportMetric(float64(pauses[len(pauses)/2].Microseconds())/1000, "pause-p50-ms")
	b.ReportMetric(float64(pauses[len(pauses)*99/100].Microseconds())/1000, "pause-p99-ms")
	b.ReportMetric(float64(whole[len(whole)/2].Microseconds())/1000, "took-p50-ms")
}
