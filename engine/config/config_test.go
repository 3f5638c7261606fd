package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// write writes a settings file in a directory of its own and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load loads settings that must be valid.
func load(t *testing.T, src Source) Config {
	t.Helper()
	c, err := Load(src)
	if err != nil {
		t.Fatalf("Load(%+v) = %v, want no error", src, err)
	}
	c.origins = nil // which has tests of its own
	return c
}

// Without any source, all settings have their defaults.
func TestLoadDefaults(t *testing.T) {
	if got := load(t, Source{}); !reflect.DeepEqual(got, Default()) {
		t.Errorf("Load(nothing) = %+v, want %+v", got, Default())
	}
}

// Flags override the environment, the environment the file, and the file the defaults.
func TestPrecedence(t *testing.T) {
	file := "[server]\nport = 1\nmax_connections = 1\nlog_level = \"debug\"\norigins = [\"https://a.example\", \"https://b.example\"]\n" +
		"[limits]\nread_limit = \"1KiB\"\nbytes_burst = 4096\nwrite_timeout = \"1m30s\"\n[queue.map]\n'App\\Jobs\\Add' = \"AddPrize\"\n"
	got := load(t, Source{
		Path: write(t, file),
		Env: []string{
			"SERVER_MAX_CONNECTIONS=2", "SERVER_LOG_LEVEL=warn", "SERVER_ORIGINS= https://c.example ,,https://d.example", "PORT=9",
			"SERVER_LIMITS_READ_LIMIT=2KiB", "SERVER_REQUIRE_ORIGIN=1", "SERVER_QUEUE=jobs", "SERVER_QUEUE_DRIVER=memory",
			"SERVER_QUEUE_WINDOW=", "SERVER_KEY=correct=horse",
		},
		Flags: map[string]string{"server.log_level": "error", "roster.interval": "2s", "limits.shards": "3"},
	})
	want := Default()
	want.Path = got.Path
	want.Server.Port, want.Server.MaxConnections, want.Server.LogLevel = 1, 2, "error"
	want.Server.Origins = []string{"https://c.example", "https://d.example"}
	want.Server.RequireOrigin, want.Server.Key = true, "correct=horse"
	want.Limits.ReadLimit, want.Limits.BytesBurst, want.Limits.Shards = 2048, 4096, 3
	want.Limits.WriteTimeout = Duration(90 * time.Second)
	want.Roster.Interval = Duration(2 * time.Second)
	want.Queue.Name, want.Queue.Driver = "jobs", DriverMemory
	want.Queue.Map = map[string]string{`App\Jobs\Add`: "AddPrize"}
	want.Lua.Path = filepath.Join(filepath.Dir(got.Path), "scripts")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load = %+v\nwant   %+v", got, want)
	}
}

// Lines may end as on Windows.
func TestLineEnds(t *testing.T) {
	const file = "[server]\nport = 1\nhosts = [\n  \"a.example\",\n]\n[app]\ntext = \"\"\"\none\ntwo\"\"\"\n"
	unix, windows := load(t, Source{Path: write(t, file)}), load(t, Source{Path: write(t, strings.ReplaceAll(file, "\n", "\r\n"))})
	if want := map[string]any{"text": "one\ntwo"}; !reflect.DeepEqual(unix.App, want) || !reflect.DeepEqual(windows.App, want) ||
		!reflect.DeepEqual(unix.Server, windows.Server) {
		t.Errorf("Load of lines that end with \\r\\n = %+v, %q, want as with \\n: %+v, %q", windows.Server, windows.App, unix.Server, unix.App)
	}
	_, err := Load(Source{Path: write(t, "[server]\r\nport = 1\r\nprot = 2\r\n")})
	if err == nil || !strings.Contains(err.Error(), ":3: ") {
		t.Errorf("Load = %v, want an error in line 3", err)
	}
}

// The default file may be missing, a file that was named may not, and neither may be unreadable.
func TestLoadFileMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.toml")
	if got := load(t, Source{Path: path}); got.Path != "" || got.Lua.Path != "scripts" {
		t.Errorf("Load(no such file) has Path %q and Lua.Path %q, want none and scripts", got.Path, got.Lua.Path)
	}
	_, err := Load(Source{Path: path, Explicit: true})
	if want := path + ": no such file or directory"; !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("Load(no such file, explicit) = %v, want %s", err, want)
	}
	if err := os.Symlink("elsewhere.toml", path); err != nil {
		t.Fatal(err)
	}
	for _, explicit := range []bool{false, true} {
		_, err = Load(Source{Path: path, Explicit: explicit})
		if want := path + ": it is a link to elsewhere.toml: file does not exist"; !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
			t.Errorf("Load(a broken link, explicit %t) = %v, want %s", explicit, err, want)
		}
	}
	dir := t.TempDir()
	_, err = Load(Source{Path: dir})
	if want := dir + ": not a regular file"; err == nil || err.Error() != want {
		t.Errorf("Load(a directory) = %v, want %s", err, want)
	}
	pipe := filepath.Join(dir, "pipe.toml") // which has no writer
	testkit.MakePipe(t, pipe)
	_, err = Load(Source{Path: pipe})
	if want := pipe + ": not a regular file"; err == nil || err.Error() != want {
		t.Errorf("Load(a pipe) = %v, want %s", err, want)
	}
	_, err = Load(Source{Path: write(t, strings.Repeat("#", maxFile+1))})
	if err == nil || !strings.Contains(err.Error(), "larger than 256KiB") {
		t.Errorf("Load(a large file) = %v, want larger than 256KiB", err)
	}
}

// Paths in the file are relative to its directory, those in variables and flags to the working directory.
func TestLoadPaths(t *testing.T) {
	path := write(t, "[server]\npublic = \"pages\"\nkey_file = \"../key\"\n[lua]\npath = \"lua\"\n")
	dir := filepath.Dir(path)
	tests := []struct {
		src                  Source
		lua, public, keyFile string
	}{
		{Source{Path: path}, dir + "/lua", dir + "/pages", filepath.Dir(dir) + "/key"},
		{Source{Path: path, Env: []string{"SERVER_LUA_PATH=lua"}}, "lua", dir + "/pages", filepath.Dir(dir) + "/key"},
		{Source{Path: path, Flags: map[string]string{"server.public": "p", "server.key_file": "k"}}, dir + "/lua", "p", "k"},
		{Source{Path: path, Flags: map[string]string{"server.public": "", "server.key": "x"}}, dir + "/lua", "", ""},
		{Source{Path: write(t, "[server]\npublic = \"/srv\"\n")}, "", "/srv", ""},
		{Source{Flags: map[string]string{"server.public": "p"}}, "scripts", "p", ""},
	}
	for i, test := range tests {
		got := load(t, test.src)
		if test.lua == "" {
			test.lua = filepath.Join(filepath.Dir(test.src.Path), "scripts")
		}
		if got.Lua.Path != test.lua || got.Server.Public != test.public || got.Server.KeyFile != test.keyFile {
			t.Errorf("row %d: paths are %q, %q, %q, want %q, %q, %q", i,
				got.Lua.Path, got.Server.Public, got.Server.KeyFile, test.lua, test.public, test.keyFile)
		}
	}
}

// The same holds for the state file.
func TestLoadStatePath(t *testing.T) {
	path := write(t, "[state]\nfile = \"state.json\"\n")
	if got, want := load(t, Source{Path: path}).State.File, filepath.Join(filepath.Dir(path), "state.json"); got != want {
		t.Errorf("state.file of a file = %q, want %q", got, want)
	}
	if got := load(t, Source{Path: path, Env: []string{"SERVER_STATE_FILE=state.json"}}).State.File; got != "state.json" {
		t.Errorf("SERVER_STATE_FILE = %q, want it as it is", got)
	}
	if got := load(t, Source{Path: path, Env: []string{"SERVER_STATE_SYNC=job"}}).State.Sync; got != SyncJob {
		t.Errorf("SERVER_STATE_SYNC beside the file = %q, want job", got)
	}
	_, err := Load(Source{Path: path, Env: []string{"SERVER_STATE_SYNC=job"}, Flags: map[string]string{"state.file": ""}})
	if err == nil || !strings.HasPrefix(err.Error(), `SERVER_STATE_SYNC: "job" needs state.file`) {
		t.Errorf("SERVER_STATE_SYNC with a flag that takes the file away = %v, want that it needs state.file", err)
	}
}

// The queue's address is a host and port or a socket, in any of its notations.
func TestQueueDialed(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:11300": "127.0.0.1:11300", "unix:1": "unix:1",
		"/run/b.sock": "/run/b.sock", "unix:///run/b.sock": "/run/b.sock", "unix:/run/b.sock": "/run/b.sock",
	} {
		got := load(t, Source{Env: []string{"SERVER_QUEUE_ADDRESS=" + address}}).Queue.Dialed()
		if got != want {
			t.Errorf("Dialed of %q = %q, want %q", address, got, want)
		}
	}
}

// The later of key and key_file is used, and one source must not have both.
func TestLoadKeys(t *testing.T) {
	const key, file = "[server]\nkey = \"correct horse\"\n", "[server]\nkey_file = \"/key\"\n"
	tests := []struct {
		name    string
		text    string
		env     []string
		flags   map[string]string
		key     Secret
		keyFile string
		wrong   bool
	}{
		{"nothing", "", nil, nil, "password", "", false},
		{"key", key, nil, nil, "correct horse", "", false},
		{"file", file, nil, nil, "", "/key", false},
		{"file beside the default key", file + "key = \"password\"\n", nil, nil, "", "/key", false},
		{"both", file + "key = \"correct horse\"\n", nil, nil, "", "", true},
		{"both in the environment", "", []string{"SERVER_KEY=correct horse", "SERVER_KEY_FILE=/key"}, nil, "", "", true},
		{"environment over file", file, []string{"SERVER_KEY=correct horse"}, nil, "correct horse", "", false},
		{"even the default", file, []string{"SERVER_KEY=password"}, nil, "password", "", false},
		{"file of the environment over key", key, []string{"SERVER_KEY_FILE=/key"}, nil, "", "/key", false},
		{"flag over environment", key, []string{"SERVER_KEY_FILE=/key"}, map[string]string{"server.key": "battery"}, "battery", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Load(Source{Path: write(t, test.text), Env: test.env, Flags: test.flags})
			if test.wrong {
				if !errors.Is(err, errTwoKeys) {
					t.Errorf("Load = %v, want %v", err, errTwoKeys)
				}
				return
			}
			if err != nil || got.Server.Key != test.key || got.Server.KeyFile != test.keyFile {
				t.Errorf("Load = key %q, file %q, %v, want %q, %q", string(got.Server.Key), got.Server.KeyFile, err, string(test.key), test.keyFile)
			}
		})
	}
}

// Programs that scripts may start come from the file, and their directories are resolved as other paths are.
func TestLoadProcesses(t *testing.T) {
	path := write(t, "[processes.list]\ncommand = [\"/bin/ls\", \"-l\"]\nargs = \"[a-z]+\"\ncwd = \"lists\"\nenv.LANG = \"C\"\n[processes.top]\ncommand = [\"/bin/top\"]\n")
	want := map[string]Process{
		"list": {
			Command: []string{"/bin/ls", "-l"}, Args: "[a-z]+", Env: map[string]Secret{"LANG": "C"},
			Cwd: filepath.Join(filepath.Dir(path), "lists"),
		},
		"top": {Command: []string{"/bin/top"}},
	}
	if got := load(t, Source{Path: path}).Processes; !reflect.DeepEqual(got, want) {
		t.Errorf("Processes = %v, want %v", got, want)
	}
}

// The table [app] may hold anything, and scripts get it in a few plain types.
func TestLoadApp(t *testing.T) {
	text := "[app]\ntitle = \"Fair\"\nprizes = 3\nodds = 0.5\nopen = true\nday = 2026-01-02T03:04:05Z\nlist = [1, \"a\", [true]]\n" +
		"[app.colors]\nred = \"#f00\"\n[[app.halls]]\nname = \"A\"\n[[app.halls]]\nname = \"B\"\n"
	want := map[string]any{
		"title": "Fair", "prizes": int64(3), "odds": 0.5, "open": true, "day": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		"list":   []any{int64(1), "a", []any{true}},
		"colors": map[string]any{"red": "#f00"},
		"halls":  []any{map[string]any{"name": "A"}, map[string]any{"name": "B"}},
	}
	if got := load(t, Source{Path: write(t, text)}).App; !reflect.DeepEqual(got, want) {
		t.Errorf("App = %#v, want %#v", got, want)
	}
}

// Two Configs share no data.
func TestDefaultIsFresh(t *testing.T) {
	c := Default()
	c.App["x"], c.Queue.Map["x"] = 1, "x"
	c.Server.Origins = append(c.Server.Origins, "x")
	if got := Default(); len(got.App)+len(got.Queue.Map)+len(got.Server.Origins) != 0 {
		t.Errorf("Default() after another was changed = %+v, want empty tables", got)
	}
}

// The key appears in no log, no text and no error.
func TestKeyIsNotShown(t *testing.T) {
	const canary = "S3CRET-canary-123456"
	c := load(t, Source{Env: []string{"SERVER_KEY=" + canary}})
	if string(c.Server.Key) != canary {
		t.Errorf("Key = %q, want %q", string(c.Server.Key), canary)
	}
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("start", "config", c, "key", c.Server.Key)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("start", "config", c, "key", c.Server.Key)
	fmt.Fprintf(&out, "%v %+v %#v %s %q", c, c, c, c.Server.Key, c.Server.Key)
	wrong := []string{
		"[server]\nkey = [\"" + canary + "\"]", "[server]\nkey = 20260102123456",
		"[server]\nkey = 99999999999999999999123456", "server = {key = 99999999999999999999123456}", "[server]\nkey = " + canary,
		"[server]\nkey = \"" + canary, "[server]\nkey = \"\\" + canary + "\"", "[server]\nkey = 2026-01-02T03:04:05.123456Z",
		"[server]\nkey = \"" + canary + "\"\nkey_file = \"x\"", "[server]\nkey = {" + canary + " = 1}",
	}
	for _, text := range wrong {
		_, err := Load(Source{Path: write(t, text)})
		if err == nil {
			t.Errorf("Load(%q) = nil, want an error", text)
		}
		fmt.Fprintln(&out, err)
	}
	if strings.Contains(out.String(), "123456") {
		t.Errorf("the key is shown: %s", out.String())
	}
}

// A file that sets nothing is reported as blank.
func TestLoadBlank(t *testing.T) {
	for text, want := range map[string]bool{"": true, "\n# [server]\n": true, "[server]\nport = 1\n": false, "app = {}": false} {
		if got := load(t, Source{Path: write(t, text)}); got.Blank != want {
			t.Errorf("Load(%q) has Blank %t, want %t", text, got.Blank, want)
		}
	}
	if got := load(t, Source{}); got.Blank {
		t.Error("Load of no file has Blank, want none")
	}
}
