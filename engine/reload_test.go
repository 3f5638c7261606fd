package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// folder is a scripts folder whose manager is app.lua.
type folder struct {
	testing.TB
	path string
}

func newFolder(tb testing.TB, app string) folder {
	tb.Helper()
	f := folder{tb, tb.TempDir()}
	f.write("app.lua", app)
	return f
}

func (f folder) write(name, text string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.path, name), []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

// serve runs a server with the folder.
func (f folder) serve(change func(c *config.Config)) *enginetest.Server {
	f.Helper()
	return enginetest.Start(f.TB, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = f.path, "app"
		if change != nil {
			change(c)
		}
	})
}

// app is a manager whose boot is the given text.
func app(boot string) string {
	return "local base = require(\"manager\")\nlocal server = require(\"server\")\nlocal app = base:extend()\n" +
		"function app:boot()\n" + boot + "\nend\n" +
		"function app:open(client)\n  base.open(self, client)\nend\n" +
		"return app\n"
}

// A reload puts new scripts in force for clients that are connected, with state and clients' fields as they were.
func TestReload(t *testing.T) {
	f := newFolder(t, app(`
server.message("Say", { protection = "none" }, function(client, message)
  client.said = (client.said or 0) + 1
  local all = server.state("all", { n = 0 })
  all.n = all.n + 1
  client:send("Old", { said = client.said, all = all.n })
end)`))
	s := f.serve(nil)
	alice := s.Dial(t, "alice")
	alice.Send(`{"name":"Say"}`)
	alice.Expect("Old")
	f.write("app.lua", app(`
server.message("Say", { protection = "none" }, function(client, message)
  client.said = client.said + 1
  local all = server.state("all")
  all.n = all.n + 1
  client:send("New", { said = client.said, all = all.n, generation = server.generation })
end)`))
	r, err := s.Control.Reload(t.Context())
	if err != nil || r.Generation != 2 {
		t.Fatalf("Reload = %+v, %v, want generation 2", r, err)
	}
	alice.Send(`{"name":"Say"}`)
	frame := alice.Expect("New")
	if frame["said"] != 2.0 || frame["all"] != 2.0 || frame["generation"] != 2.0 {
		t.Errorf("after the reload alice < %v, want said 2, all 2, generation 2", frame)
	}
}

// Scripts that are broken in whatever way change nothing: those before go on, and the error has the place.
func TestReloadFails(t *testing.T) {
	good := app(`server.message("Say", { protection = "none" }, function(client) client:send("Good") end)`)
	f := newFolder(t, good)
	s := f.serve(func(c *config.Config) {
		c.Lua.TurnTimeout, c.Lua.BootTimeout = config.Duration(200_000_000), config.Duration(300_000_000)
	})
	alice := s.Dial(t, "alice")
	for _, row := range []struct{ name, text, want string }{
		{"syntax", "local = 1", "app.lua:1"},
		{"error in boot", app(`error("no")`), "app.lua:5: no"},
		{"missing module", app(`require("gone")`), `module "gone" not found`},
		{"no protection", app(`server.message("X", {}, function() end)`), "protection"},
		{"endless boot", app(`while true do end`), "app.lua:5"},
		{"boot that waits", app(`server.promise(function() end):await()`), "lua.boot_timeout"},
		{"empty file", "\n", "is empty"},
		{"nothing returned", "local x = 1", "must return its manager"},
		{"migrate fails", strings.Replace(good, "return app", "function app:migrate(from) error('from ' .. from) end\nreturn app", 1), "from 1"},
	} {
		f.write("app.lua", row.text)
		_, err := s.Control.Reload(t.Context())
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Reload = %v, want an error with %q", row.name, err, row.want)
		}
		alice.Send(`{"name":"Say"}`)
		alice.Expect("Good")
	}
	if err := os.Remove(filepath.Join(f.path, "app.lua")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Control.Reload(t.Context()); err == nil {
		t.Error("Reload of an empty folder = nil, want an error")
	}
	alice.Send(`{"name":"Say"}`)
	alice.Expect("Good")
	f.write("app.lua", good)
	if r, err := s.Control.Reload(t.Context()); err != nil || r.Generation != 2 {
		t.Errorf("Reload of what is good again = %+v, %v, want generation 2", r, err)
	}
}
