package engine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/enginetest/beanstalkd"
)

// Jobs of 100 bytes through reserve, a command in Lua and delete; x-bare is how many times as fast that is as a loop that
// reserves and deletes with the bare library, on the same machine in the same run.
func BenchmarkJobs(b *testing.B) {
	s := beanstalkd.Start(b, beanstalkd.Options{})
	n := max(b.N, 1000) // so that the start does not count
	s.Fill(b, n)
	alone := s.Loop(b, n)
	s.Fill(b, n)
	folder := b.TempDir()
	const app = `
local base = require "manager"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  local prizes = {}
  server.command("AddPrize", function(arguments)
    prizes[#prizes % 100 + 1] = arguments.prize
  end)
end
return app`
	if err := os.WriteFile(filepath.Join(folder, "app.lua"), []byte(app), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	began := time.Now()
	server := enginetest.Start(b, func(c *config.Config) {
		c.Queue.Driver, c.Queue.Address = "beanstalkd", s.Address
		c.Lua.Path, c.Lua.Manager = folder, "app"
	})
	s.Empty(b)
	rate := float64(n) / time.Since(began).Seconds()
	b.StopTimer()
	if err := server.Stop(); err != nil {
		b.Error(err)
	}
	b.ReportMetric(rate, "jobs/s")
	b.ReportMetric(alone, "bare-jobs/s")
	b.ReportMetric(rate/alone, "x-bare")
}
