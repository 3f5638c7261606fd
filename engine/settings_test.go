package engine_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/queue"
)

// A reload changes the settings that may change while the server runs and names the others; wrong settings change nothing.
func TestReloadSettings(t *testing.T) {
	f := newFolder(t, app(`base.boot(self)
server.message("Config", { protection = "none" }, function(client) client:send("Config", { motto = server.config.motto }) end)`))
	s := f.serve(func(c *config.Config) { c.App = map[string]any{"motto": "before"} })
	alice := s.Dial(t, "alice")
	s.Set(func(c *config.Config) {
		c.Server.Port, c.Lua.Memory = 1, 1<<30
		c.Server.Key = "correct horse battery"
		c.Server.MaxConnections = 1
		c.App = map[string]any{"motto": "after"}
	})
	r, err := s.Control.Reload(t.Context())
	if err != nil || len(r.NeedsRestart) != 2 ||
		r.NeedsRestart[0] != (config.Change{Name: "server.port", Before: 0, After: 1}) || r.NeedsRestart[1].Name != "lua.memory" {
		t.Errorf("Reload = %+v, %v, want server.port, from 0 to 1, and lua.memory to need a restart", r, err)
	}
	want := []config.Change{{Name: "server.max_connections", Before: 100, After: 1}, {Name: "server.key"}, {Name: "app.motto"}}
	if !slices.Equal(r.Settings, want) {
		t.Errorf("Reload changes the settings %v, want %v", r.Settings, want)
	}
	for _, want := range []string{
		`"engine: a setting has changed" setting=server.max_connections before=100 after=1`,
		`"engine: a setting has changed" setting=server.key` + "\n",
		`"engine: a setting needs a restart" setting=server.port before=0 after=1`,
	} {
		if !strings.Contains(s.Log(), want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if strings.Contains(s.Log(), "horse") {
		t.Error("the key is in the log")
	}
	alice.Send(`{"name":"Config"}`)
	if frame := alice.Expect("Config"); frame["motto"] != "after" {
		t.Errorf("alice < %v, want the motto after", frame)
	}
	alice.Send(`{"name":"Authenticate","password":"correct horse battery"}`)
	alice.Expect("ConnectionAuthenticated")
	if frame := s.Open(t, "late", nil).Next(); frame["exception"] != "TooManyConnections" {
		t.Errorf("late < %v, want TooManyConnections", frame)
	}
	s.Set(func(c *config.Config) {
		c.Server.Origins = []string{"nonsense"}
		c.Server.MaxConnections = 2
	})
	if _, err := s.Control.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "server.origins") {
		t.Errorf("Reload with wrong origins = %v, want an error that names server.origins", err)
	}
	if frame := s.Open(t, "later", nil).Next(); frame["exception"] != "TooManyConnections" {
		t.Errorf("later < %v, want TooManyConnections still", frame)
	}
}

// A reload fails if the settings file has vanished or is empty, or would replace a good key by a weak one; the key is kept.
func TestReloadWithoutSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.toml")
	const key = "correct horse battery"
	s := newFolder(t, app("base.boot(self)")).serve(func(c *config.Config) { c.Path, c.Server.Key = file, key })
	for _, row := range []struct {
		name   string
		change func(c *config.Config)
		want   string
	}{
		{"gone", func(c *config.Config) { c.Path, c.Server.Key = "", config.Default().Server.Key }, file + " no longer exists"},
		{"gone, with a key", func(c *config.Config) { c.Path = "" }, file + " no longer exists"},
		{"emptied", func(c *config.Config) { c.Blank, c.Server.Key = true, config.Default().Server.Key }, file + " is empty now"},
		{"emptied, with a key", func(c *config.Config) { c.Blank = true }, file + " is empty now"},
		{"a known key", func(c *config.Config) { c.Server.Key = config.Default().Server.Key }, "server.key would become weak"},
		{"a short key", func(c *config.Config) { c.Server.Key = "short" }, "server.key would become weak"},
	} {
		s.Set(row.change)
		if _, err := s.Control.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Reload = %v, want an error with %q", row.name, err, row.want)
		}
		s.Set(func(c *config.Config) { c.Path, c.Blank, c.Server.Key = file, false, key })
	}
	alice := s.Dial(t, "alice")
	alice.Send(`{"name":"Authenticate","password":"` + key + `"}`)
	alice.Expect("ConnectionAuthenticated")
	if r, err := s.Control.Reload(t.Context()); err != nil || r.Generation != 2 {
		t.Errorf("Reload with all settings = %+v, %v, want generation 2", r, err)
	}
}

// A new key in the same key file is a change of the settings; only the name of the file is reported.
func TestReloadKeyFile(t *testing.T) {
	f := newFolder(t, app("base.boot(self)"))
	f.write("key", "correct horse battery\n")
	s := f.serve(func(c *config.Config) { c.Server.Key, c.Server.KeyFile = "", filepath.Join(f.path, "key") })
	for key, want := range map[string][]config.Change{
		"correct horse battery\n": nil,
		"staple of batteries\n":   {{Name: "server.key_file"}},
	} {
		f.write("key", key)
		r, err := s.Control.Reload(t.Context())
		if err != nil || !slices.Equal(r.Settings, want) {
			t.Errorf("Reload with the key %q in the file = %v, %v, want %v", key, r.Settings, err, want)
		}
		f.write("key", "correct horse battery\n")
		if _, err := s.Control.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The time that jobs in progress have at a stop is that of the last reload.
func TestReloadStopDrain(t *testing.T) {
	f := newFolder(t, app(`
base.boot(self)
server.command("Wait", function()
  server.broadcast("Begun")
  server.sleep(5000)
  require("log").info("the job has come to its end")
end)`))
	s := f.serve(func(c *config.Config) {
		c.Stop.Timeout, c.Stop.Drain = config.Duration(time.Minute), config.Duration(30*time.Second)
	})
	s.Set(func(c *config.Config) { c.Stop.Drain = config.Duration(10 * time.Millisecond) })
	if _, err := s.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice := s.Dial(t, "alice")
	if _, err := s.Control.PutJob(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(`{"job":"Wait"}`)}); err != nil {
		t.Fatal(err)
	}
	alice.Expect("Begun")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s.Log(), "the job has come to its end") {
		t.Error("a job had more than the stop.drain of the reload")
	}
}
