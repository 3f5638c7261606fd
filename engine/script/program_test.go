package script

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"perigee/engine/logging"
	"perigee/engine/script/store"
	"perigee/engine/wire"
)

// recorder is a host that only records registrations. Any other method is a nil pointer.
type recorder struct {
	Host
	messages map[string]Message
	commands map[string]Command
}

// stoppedLoop is a loop whose clock stands still. Any method that it lacks is a nil pointer.
type stoppedLoop struct{ Loop }

func (stoppedLoop) Now() time.Time { return time.Unix(1795384421, 0) }

func (h *recorder) Message(m Message) error {
	h.messages[m.Name] = m
	return nil
}

func (h *recorder) Command(c Command) error {
	h.commands[c.Name] = c
	return nil
}

func (h *recorder) Run(command string, arguments wire.Value) (wire.Value, error) {
	return h.commands[command].Run(arguments)
}

// load loads a manager with the given body of boot, from a directory with the given files; app.lua may be one of them.
func load(t *testing.T, boot string, files map[string]string) (*recorder, string, error) {
	t.Helper()
	return loadFor(t, &fakeHost{}, boot, files)
}

func loadFor(t *testing.T, on *fakeHost, boot string, files map[string]string) (*recorder, string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "scripts")
	app := "local server = require(\"server\")\nlocal app = {}\nfunction app:boot()\n" + boot + "\nend\nreturn app\n"
	if files["app.lua"] == "" {
		files["app.lua"] = app
	}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "outside.lua")); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h := &recorder{messages: map[string]Message{}, commands: map[string]Command{}}
	on.recorder = h
	p, err := New(Options{
		Loop: stoppedLoop{}, Dir: dir, DirName: "scripts", Manager: "app",
		Builtin: fstest.MapFS{
			"builtin.lua":        {Data: []byte("return \"from the binary\"")},
			"messages/login.lua": {Data: []byte("return {}")},
		},
		App:   map[string]any{"greeting": "hello", "list": []any{int64(1), int64(2)}},
		Log:   slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})),
		Store: store.New(), Generation: 3, TurnTimeout: time.Minute, BootTimeout: time.Minute,
	}, on)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { p.Watch(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		p.Close()
	})
	err = p.Load()
	return h, log.String(), err
}

// A script named as one of the later modules of the server takes its place: it may be older. The first four cannot be replaced.
func TestOwnModules(t *testing.T) {
	own := map[string]string{"crypto.lua": `return { mine = true }`, "json.lua": `error("not loaded")`}
	if _, _, err := load(t, `assert(require("crypto").mine and require("json").encode)`, own); err != nil {
		t.Errorf("a script named crypto: %v, want it in place of the module", err)
	}
	if _, _, err := load(t, `assert(#require("crypto").sha256("abc") == 64)`, map[string]string{}); err != nil {
		t.Errorf("without such a script: %v, want the module", err)
	}
}

// Modules are loaded once each, from the scripts directory or else from the binary, and from nowhere else.
func TestRequire(t *testing.T) {
	rows := []struct{ boot, want string }{
		{`assert(require("builtin") == "from the binary")`, ""},
		{`assert(require("folder.module").name == "folder.module")`, ""},
		{`assert(require("folder") == "its init")`, ""},
		{`assert(require("folder.module") == require("folder.module"))`, ""},
		{`assert(require("silent") == true)`, ""},
		{`require("outside")`, "outside"},
		{`require("../app")`, "not a module name"},
		{`require("/etc/passwd")`, "not a module name"},
		{`require("")`, "not a module name"},
		{`require("nowhere")`, `module "nowhere" not found: no nowhere.lua or nowhere/init.lua`},
		{`require("first")`, `module "first" requires itself: first -> second -> first`},
		{`require("broken")`, "scripts/broken.lua:2"},
	}
	for _, row := range rows {
		_, _, err := load(t, row.boot, map[string]string{
			"folder/module.lua": "return { name = ... }",
			"folder/init.lua":   "return \"its init\"",
			"silent.lua":        "local nothing",
			"first.lua":         "return require(\"second\")",
			"second.lua":        "return require(\"first\")",
			"broken.lua":        "local x = 1\nlocal = 2",
		})
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: Load = %v, want %q", row.boot, err, row.want)
		}
	}
}

// A registration has the protection of the message and its source.
func TestMessage(t *testing.T) {
	h, _, err := load(t, `server.message("Ring", { protection = "client", owner = "who" }, function() end)`, map[string]string{})
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	m := h.messages["Ring"]
	if m.Protection.String() != "client" || m.Owner != "who" || m.Source != "scripts/app.lua:4" || m.Handle == nil || m.Authorize != nil {
		t.Errorf("Message = %+v, want client, owner who, scripts/app.lua:4, a handler", m)
	}
}

// The error of a wrong call names the line of the call.
func TestWrongCalls(t *testing.T) {
	rows := []struct{ boot, want string }{
		{`server.message("Ring", function() end)`, "protection = "},
		{`server.message("", { protection = "none" }, print)`, "1 to 255 bytes"},
		{`server.message("Ring", { protection = "none", authorize = 1 }, print)`, "authorize is a number"},
		{`server.message("Ring", { protection = "none", owner = "x" }, print)`, "owner goes with"},
		{`server.command("Ring")`, "function expected"},
		{`server.mesage()`, "there is no server.mesage"},
		{`server.sleep(-1)`, "milliseconds"},
		{`server.every(0, "Ring")`, "at least 1 ms"},
		{`server.every(5, 7)`, "command or a function"},
		{`server.state("x", { print })`, "plain data"},
		{`require("json").encode({ 1, key = 2 })`, "key"},
		{`require("log").shout("x")`, "there is no log.shout"},
	}
	for _, row := range rows {
		_, _, err := load(t, row.boot, map[string]string{})
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "scripts/app.lua:4") {
			t.Errorf("%s: Load = %v, want scripts/app.lua:4 and %q", row.boot, err, row.want)
		}
	}
}

// The log has the text, the fields, the source and the generation. Scripts can read settings, generation and state.
func TestLogAndConfig(t *testing.T) {
	_, log, err := load(t, `
		local log = require("log")
		log.debug("too quiet")
		log.warn("ready", { count = 3, name = "x", ok = true, list = { 1, 2 } })
		print("hello", 1)
		assert(server.config.greeting == "hello" and #server.config.list == 2 and server.generation == 3)
		local state = server.state("counts", { n = 1 })
		state.n = 2
		assert(server.state("counts").n == 2 and #server.uuid() == 36 and server.time() == 1795384421)
	`, map[string]string{})
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	for _, want := range []string{`level=WARN msg=ready source=scripts/app.lua:7 turn=boot generation=3 count=3 name=x ok=true list=[1,2]`, "hello\\t1"} {
		if !strings.Contains(log, want) {
			t.Errorf("log = %s, want %s in it", log, want)
		}
	}
	if strings.Contains(log, "too quiet") {
		t.Errorf("log = %s, want nothing below its level", log)
	}
}

// http.escape escapes any text for a URL, as a segment of the path or a value of the query.
func TestHTTPEscape(t *testing.T) {
	rows := []struct{ text, want string }{
		{`"Ann & Ben"`, "Ann%20%26%20Ben"},
		{`"a/b?c=d#e+f%"`, "a%2Fb%3Fc%3Dd%23e%2Bf%25"},
		{`"\195\164\255\n"`, "%C3%A4%FF%0A"},
		{`"A-z_0.9~"`, "A-z_0.9~"},
		{`7`, "7"},
		{`""`, ""},
	}
	for _, row := range rows {
		_, _, err := load(t, `error(require("http").escape(`+row.text+`), 0)`, map[string]string{})
		if want := "scripts/app.lua:4: " + row.want; textOf(err) != want {
			t.Errorf("http.escape(%s): Load = %v, want %q", row.text, err, want)
		}
	}
}

// Commands take and return values. Their errors have the place and a traceback.
func TestCommand(t *testing.T) {
	h, _, err := load(t, `
		server.command("Double", function(n) return { doubled = n * 2 } end)
		server.command("Fail", function() server.run("Double", "x") end)
		assert(server.run("Double", 4).doubled == 8)
	`, map[string]string{})
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	_, err = h.commands["Fail"].Run(nil)
	traced, ok := err.(interface{ Traceback() string })
	if !ok || !strings.Contains(err.Error(), "scripts/app.lua:5") || traced.Traceback() == "" {
		t.Errorf("Fail = %v, want scripts/app.lua:5 with a traceback", err)
	}
}

// A log line stays short, whatever a script logs.
func TestLogIsClipped(t *testing.T) {
	_, log, err := load(t, `
		local big = string.rep("x", 1000000)
		local log = require("log")
		log.warn("one " .. big, { big = big, [big] = 1, list = { big } })
		print("two", big)
		local many = {}
		for i = 1, 1000 do many["field" .. i] = i end
		log.warn("three", many)`, map[string]string{})
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	for line := range strings.Lines(log) {
		if len(line) > 6*logging.MaxValue {
			t.Errorf("a line has %d bytes: %.100s", len(line), line)
		}
	}
	for _, part := range []string{"msg=\"one xxx", "995908 more bytes", "big=\"xxx", "list=\"[\\\"xxx", "two\\txxx", "field32=32", "more_fields=968"} {
		if !strings.Contains(log, part) {
			t.Errorf("log has no %s", part)
		}
	}
	if strings.Contains(log, "field33=") {
		t.Error("log has all fields of a large table")
	}
}

// The number of lines that scripts may log and print in one second is limited, and the log says that lines were dropped.
func TestLogIsBounded(t *testing.T) {
	_, log, err := load(t, `
		for i = 1, 3000 do
			require("log").error("again", { i = i })
			print("again")
		end`, map[string]string{})
	if err != nil {
		t.Fatalf("Load = %v, want nil", err)
	}
	if lines := strings.Count(log, "again"); lines != 1000 {
		t.Errorf("6000 lines within a second: %d are logged, want 1000", lines)
	}
	if missing := strings.Count(log, "suppressing the rest"); missing != 1 {
		t.Errorf("the log says %d times that lines are suppressed, want once", missing)
	}
}

// The log warns once of a manager without the base messages, or with a function whose name is similar to that of a hook.
func TestHints(t *testing.T) {
	const base, hook = "write base.boot(self) in manager:boot", "its name is similar to one"
	rows := []struct{ app, want, similar string }{
		{`return { boot = function() end }`, base, ""},
		{`return {}`, base, ""},
		{`return { boot = function() require("messages.login") end, open = function() end, shop = function() end, Close = 1 }`, "", ""},
		{`return { boot = function() require("messages.login") end, Open = function() end }`, hook, "function=manager.Open did_you_mean=open"},
		{`return { boot = function() require("messages.login") end, onOpen = function() end }`, hook, "function=manager.onOpen did_you_mean=open"},
		{`return { boot = function() require("messages.login") end, on_close = function() end }`, hook, "function=manager.on_close did_you_mean=close"},
		{`return { boot = function() require("messages.login") end, opne = function() end, stops = function() end, clone = function() end }`, hook, "function=manager.opne did_you_mean=open"},
		{`return { boot = function() require("messages.login") end, clsoe = function() end }`, hook, "function=manager.clsoe did_you_mean=close"},
		{`return { boot = function() require("messages.login") end, eror = function() end }`, hook, "function=manager.eror did_you_mean=error"},
		{`return { boot = function() require("messages.login") end, rooster = function() end }`, hook, "function=manager.rooster did_you_mean=roster"},
		{`return { boot = function() require("messages.login") end, on_opne = function() end, ope = function() end }`, "", ""},
		{`require("messages.login") return { Boot = function() end }`, hook, "function=manager.Boot did_you_mean=boot"},
	}
	for _, row := range rows {
		_, log, err := load(t, "", map[string]string{"app.lua": row.app})
		want := 0
		if row.want != "" {
			want = 1
		}
		if n := strings.Count(log, "level=WARN"); err != nil || n != want || !strings.Contains(log, row.want) || !strings.Contains(log, row.similar) {
			t.Errorf("%s: Load = %v, log %q, want %q %s", row.app, err, log, row.want, row.similar)
		}
	}
}
