package engine_test

import (
	"os"
	"path/filepath"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/enginetest/beanstalkd"
)

// Jobs of 100 bytes, from reserve through a Lua command to delete.
func BenchmarkJobs(b *testing.B) {
	s := beanstalkd.Start(b, beanstalkd.Options{})
	dir := b.TempDir()
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
	if err := os.WriteFile(filepath.Join(dir, "app.lua"), []byte(app), 0o600); err != nil {
		b.Fatal(err)
	}
	var server *enginetest.Server
	s.Benchmark(b, func(int) {
		server = enginetest.Start(b, func(c *config.Config) {
			c.Queue.Driver, c.Queue.Address = config.DriverBeanstalkd, s.Address
			c.Lua.Path, c.Lua.Manager = dir, "app"
		})
		s.WaitEmpty(b)
	})
	if err := server.Stop(); err != nil {
		b.Error(err)
	}
}
