package script

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"perigee/engine/script/store"
	"perigee/engine/wire"
)

// fakeHost is a host with one connection.
type fakeHost struct {
	*recorder
	client person
}

// person is a connection. Any method that it lacks is a nil pointer.
type person struct {
	Client
	slot *any
}

func (p person) UUID() string          { return "u-1" }
func (p person) Type() string          { return "player" }
func (p person) Open() bool            { return true }
func (p person) IPAddress() netip.Addr { return netip.Addr{} }
func (p person) Slot() *any            { return p.slot }

func (p person) Attribute(string) wire.Value { return nil }

func (p person) SetAttribute(_ string, v wire.Value) error {
	_, err := v.AppendJSON(nil)
	return err
}

func (h *fakeHost) Connections() []Client { return []Client{h.client} }

func (h *fakeHost) Send(_ []Client, name string, fields wire.Fields) error {
	_, err := wire.Append(nil, name, fields, time.Time{})
	return err
}

func (h *fakeHost) Broadcast(name string, fields wire.Fields) error { return h.Send(nil, name, fields) }

// An error of a script has the place, the names that the script uses and, if there is one, the remedy.
func TestWording(t *testing.T) {
	const client = `local client = server.connections():random() `
	rows := []struct{ boot, want string }{
		{client + `client:sned("X")`, "there is no client:sned"},
		{`server.connections():cuont()`, "there is no connections:cuont"},
		{`server.mesage("X")`, "there is no server.mesage; did you mean server.message?"},
		{`server.xyzzy("X")`, "there is no server.xyzzy"},
		{`tel("X")`, "attempt to call global 'tel' (a nil value)"},
		{client + `client.frend.name = 1`, "attempt to index field 'frend' (a nil value)"},
		{`for client in server.connections() do end`, "cannot iterate a connection set directly: write for client in connections:each() do"},
		{`return #server.connections()`, "a connection set has no length: write connections:count()"},

		{client + `client:send()`, "bad argument #1 to client:send (string expected, got no value): write client:send(name, fields)"},
		{client + `client:send("X", 5)`, "bad argument #2 to client:send (table expected, got number): write client:send(name, fields)"},
		{client + `client:close("bye")`, "bad argument #1 to client:close (number expected, got string): write client:close(code, reason)"},
		{client + `client.send("X")`, "send is a method: write object:send(...) with a colon"},
		{`server.connections():find(nil)`, "bad argument #1 to connections:find (string expected, got nil): write connections:find(uuid)"},
		{`server:message("X", {}, print)`, "write server.message with a dot: server.message(name, options, handler)"},
		{`server:sleep(5)`, "write server.sleep with a dot: server.sleep(ms)"},
		{`server.command("X")`, "bad argument #2 to server.command (function expected, got no value): write server.command(name, fn)"},
		{`server.next(print)`, "bad argument #1 to server.next (the name of a command expected, got a function; server.after takes functions): write server.next(command, arguments)"},
		{`server.delay(5, print)`, "bad argument #2 to server.delay (the name of a command expected, got a function; server.after takes functions): write server.delay(ms, command, arguments)"},
		{`server.command("X", { shcema = {} }, print)`, `command "X": unknown option "shcema"; did you mean "schema"? There are: schema`},
		{`server.command("X", { schema = { typ = "object" } }, print)`, `command "X": schema: unknown keyword "typ"; did you mean "type"?`},
		{`server.register("X", { histroy = 5 })`, `topic "X": unknown option "histroy"; did you mean "history"? There are: protection, owner, listed, history, presence`},
		{`server.register("X", { history = "5" })`, `topic "X": history must be a number, not a string`},
		{`server.register("X", { protection = "all" })`, `topic "X": protection "all": not one of "none", "client", "admin"`},
		{`server.command("X", {})`, "bad argument #3 to server.command (function expected, got no value): write server.command(name, fn)"},
		{`server.refuse("")`, "bad argument #1 to server.refuse (a reason is missing): write server.refuse(reason)"},
		{`server.foo = 1`, "server.foo cannot be set: the module is read-only, since all scripts share it; write a function of your own that calls it"},
		{`require("json").encode = nil`, "json.encode cannot be set: the module is read-only, since all scripts share it; write a function of your own that calls it"},

		{client + `client:send("R", { gone = { [2] = 1 } })`, `send "R": gone: the table has the key [2]: it is neither a list, with the keys 1 to n, nor an object, with strings for keys; write tostring(key) if keys are numbers`},
		{`server.broadcast("R", { run = print })`, `send "R": run: a function has no JSON form`},
		{`server.connections():send("R", { all = server.connections() })`, `send "R": all: a set of connections has no JSON form`},
		{client + `client.story = { ("x"):rep(30000), { text = ("x"):rep(40000) } }`, "client.story: [2].text: the text is larger than 64 KiB"},
		{client + `client.name = ("x"):rep(70000)`, "client.name must not be longer than 64 KiB"},
		{client + `client.friend = { client }`, "client.friend must be plain data: [1]: a client is not plain data"},
		{client + `server.state("s", { by = client })`, `state "s" must be plain data: by: a client is not plain data`},
		{`server.message("X", { protection = "none", schema = { x = print } }, print)`, `message "X": schema: x: a function has no JSON form`},

		{`server.message("X", print)`, `message "X": protection = "none", "client" or "admin" is missing: write server.message(name, { protection = ... }, handler)`},
		{`server.message("X", {}, print)`, `message "X": protection = "none", "client" or "admin" is missing`},
		{`server.message("X", { protection = "all" }, print)`, `message "X": protection "all": not one of "none", "client", "admin"`},
		{`server.message("X", { protect = "none" }, print)`, `message "X": unknown option "protect"; there are: protection, owner, roles, prompt, authorize, schema`},
		{`server.push("X", "str")`, `bad argument #2 to server.push (arguments must be a table with names, as { name = "Mug" }, not a string): write server.push(command, arguments, options)`},
		{`server.push("X", { 1, 2 })`, `bad argument #2 to server.push (arguments must be a table with names, as { name = "Mug" }, not a list): write server.push(command, arguments, options)`},
		{`server.push("X", 7)`, `bad argument #2 to server.push (arguments must be a table with names, as { name = "Mug" }, not a number): write server.push(command, arguments, options)`},
		{`error({ code = 5 })`, `{"code":5}`},
	}
	for _, row := range rows {
		_, _, err := loadFor(t, &fakeHost{client: person{slot: new(any)}}, row.boot, map[string]string{})
		if want := "scripts/app.lua:4: " + row.want; err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", row.boot, err, want)
		}
	}
}

// An error of a manager names the setting or the function.
func TestManagerWording(t *testing.T) {
	const begin = "local manager = { boot = function() require(\"messages.login\") end }\n"
	inDirectory := regexp.MustCompile(`directory \S+ or`) // which differs from run to run
	rows := []struct{ app, want string }{
		{begin + "function manager.open(client)\nend\nreturn manager", "scripts/app.lua:2: open would get the manager as its client: write function manager:open(client), with a colon"},
		{begin + "function manager.close(client, _)\nend\nreturn manager", "scripts/app.lua:2: close would get the manager as its client: write function manager:close(client, reason), with a colon"},
		{`return require("nowhere")`, `scripts/app.lua:1: module "nowhere" not found: no nowhere.lua or nowhere/init.lua in the scripts directory DIRECTORY or in perigee itself`},
		{begin + "function manager.open(self, client)\nend\nfunction manager.stop() end\nfunction manager.error(_, client) end\nreturn manager", ""},
	}
	for _, row := range rows {
		_, _, err := load(t, "", map[string]string{"app.lua": row.app})
		if got := inDirectory.ReplaceAllString(textOf(err), "directory DIRECTORY or"); got != row.want {
			t.Errorf("%s\ngot  %s\nwant %s", row.app, got, row.want)
		}
	}
}

// The error of a missing manager names the setting.
func TestNoManager(t *testing.T) {
	p, err := New(Options{Loop: stoppedLoop{}, Manager: "ap", ManagerSetting: "server.toml:2: lua.manager", DirName: "scripts", Builtin: fstest.MapFS{}, Log: slog.New(slog.DiscardHandler), Store: store.New()}, &fakeHost{recorder: &recorder{}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const want = `server.toml:2: lua.manager: module "ap" not found: no ap.lua or ap/init.lua in the scripts directory scripts, which does not exist, or in perigee itself`
	if err := p.Load(); textOf(err) != want {
		t.Errorf("Load = %v\nwant   %s", err, want)
	}
}

// The error of a misspelt manager suggests a module.
func TestManagerMisspelt(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "auction"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"market.lua", "auction/init.lua"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("return {}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for manager, want := range map[string]string{"auktion": `did you mean "auction"?`, "markt": `did you mean "market"?`, "nothing": "in perigee itself"} {
		p, err := New(Options{Loop: stoppedLoop{}, Manager: manager, Dir: dir, Builtin: fstest.MapFS{}, Log: slog.New(slog.DiscardHandler), Store: store.New()}, &fakeHost{recorder: &recorder{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Load(); !strings.HasSuffix(textOf(err), want) {
			t.Errorf("Load of %q = %v, want %s at its end", manager, err, want)
		}
		p.Close()
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
