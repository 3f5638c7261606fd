package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/urfave/cli/v3"

	"perigee/engine/logging"
)

// perigee runs a command line and returns its exit code and output.
func perigee(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), append([]string{"perigee"}, args...), environ, &out, &err)
	return code, out.String(), err.String()
}

// Every command line has the exit code that the documents promise, and reports what is wrong.
func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("bad.toml", "[server]\nprot = 80\nport = \"x\"\n")
	write("scripts/broken.lua", "local server = require(\"server\")\nserver.message(\"Ring\", {}, print)\n")
	write("scripts/bare.lua", "local bare = require(\"manager\"):extend()\nfunction bare:boot() end\nreturn bare\n")
	write("laravel.env", "APP_NAME=Shop\r\nSERVER_PORT=x\r\n")
	write("programs.toml", "[processes.gone]\ncommand = [\"/nowhere/gone\"]\n")
	write("specs/good_spec.lua", "it(\"is good\", function() require(\"spec\").client():expect(\"UpdatePrizes\") end)\n"+
		"\nit(\"is wrong\", function()\n  assert.equal(1, 2)\nend)\n")
	rows := []struct {
		name    string
		environ []string
		args    []string
		code    int
		stdout  string // regular expressions
		stderr  string
	}{
		{"help", nil, []string{"--help"}, 0, "start", ""},
		{"nothing", nil, nil, 0, "start", ""},
		{"version as a flag", nil, []string{"--version"}, 0, "^perigee .* go1", ""},
		{"version", nil, []string{"version"}, 0, "^perigee .* go1", ""},
		{"check", nil, []string{"check"}, 0, `AddPrize +admin[\s\S]*ok: 17 messages`, "admin key is weak"},
		{"check with a key", []string{"SERVER_KEY=long enough to be good", "SERVER_LUA_SLOW_TURN=0s"}, []string{"check"}, 0, "ok: ", "^$"},
		{"check for programs", nil, []string{"check", "--json", "--lua-path", "nowhere"}, 0, `^\{\n  "ok": true,\n  "messages": 17,\n  "commands": [0-9]+,\n  "problems": \[\],\n  "warnings": \[\]\n\}\n$`, ""},
		{"failed check for programs", nil, []string{"check", "--json", "-c", "bad.toml"}, 1, `"ok": false,[\s\S]*"problems": \[\n +"bad.toml:2: .*",\n +"bad.toml:3: .*"`, "bad.toml:2"},
		{"routes", nil, []string{"routes"}, 0, `AddPrize +admin +- +yes +perigee/giveaway/messages.lua:\d+\n[\s\S]*DismissNotifications +client +connection +no +perigee/messages/[\s\S]*COMMAND[\s\S]*BroadcastUptime +no +perigee/giveaway/commands.lua:\d+\n[\s\S]*ResetPrizes +ResetPrizes +perigee/giveaway/init.lua:\d+\n`, ""},
		{"routes of broken script", nil, []string{"routes", "--lua-manager", "broken"}, 1, "^$", `scripts/broken.lua:2: .*protection`},
		{"types", nil, []string{"types"}, 0, `^---@meta\n[\s\S]*\nfunction server.message\(name, options, handler\) end\n[\s\S]*\n---@class perigee.manager\n`, "^$"},
		{"types of TypeScript", nil, []string{"types", "--language", "typescript"}, 0, `^// Written by [\s\S]*\nexport type Outgoing = \{\n  AddPrize: \{ prize: \{ name\?: string \| null; sponsor\?: string \| null \} \};\n[\s\S]*\n  Authenticate: Record<string, unknown>;\n[\s\S]*\n\};\n$`, ""},
		{"types of broken scripts", nil, []string{"types", "--language", "typescript", "--lua-manager", "broken"}, 1, "^$", `scripts/broken.lua:2: .*protection`},
		{"types of no language", nil, []string{"types", "--language", "php"}, 1, "^$", `there is no language "php"; there are: lua, typescript`},
		{"types into a file", nil, []string{"types", "--output", "types.lua"}, 0, "^$", "^$"},
		{"types into no directory", nil, []string{"types", "--output", "none/types.lua"}, 1, "^$", "none/types.lua"},
		{"reference", nil, []string{"docs", "lua"}, 0, `^# Lua reference\n[\s\S]*\n### server.message\n`, "^$"},
		{"no such documentation", nil, []string{"docs", "php"}, 2, "^$", `docs: there is no command "php"`},
		{"specs", nil, []string{"test", "specs"}, 1, `^specs/good_spec.lua:4: is wrong: expected 1, got 2\n1 passed, 1 failed\n$`, "specs failed"},
		{"no specs", nil, []string{"test", "scripts"}, 1, "^$", "no .*_spec.lua in scripts"},
		{"no directory of specs", nil, []string{"test", "nowhere"}, 1, "^$", "no directory or file nowhere here"},
		{"specs of two directories", nil, []string{"test", "specs", "scripts"}, 2, "^$", `unexpected argument "scripts"`},
		{"manual page", nil, []string{"docs", "man"}, 0, `(?s)^\.TH PERIGEE 1 .*\n\.SS perigee completion bash\n.*\n\.B \\-\\-port, SERVER_PORT, server\.port\n.*\n\.SH EXIT STATUS\n.*\n\.B 78\n`, "^$"},
		{"completion of a shell", nil, []string{"completion", "bash"}, 0, `complete .* perigee\n$`, "^$"},
		{"completion of powershell", nil, []string{"completion", "powershell"}, 0, `Register-ArgumentCompleter`, "^$"},
		{"completion of no shell", nil, []string{"completion", "csh"}, 2, "^$", `completion: there is no command "csh"`},
		{"completions of a command", nil, []string{"queue", "--generate-shell-completion"}, 0, `(?m)^stats:[\s\S]*^kick:`, "^$"},
		{"completions of a flag", nil, []string{"start", "--por", "--generate-shell-completion"}, 0, `^--port:TCP port .*\n$`, "^$"},
		{"environment file", nil, []string{"check", "--env-file", "laravel.env", "--lua-path", "nowhere"}, 1, "^$", `^perigee: laravel.env: SERVER_PORT: `},
		{"no environment file", nil, []string{"start", "--env-file", "none.env"}, 1, "^$", `the environment file: open none.env: no such file`},
		{"unknown command", nil, []string{"serve"}, 2, "", `perigee: there is no command "serve"\n`},
		{"misspelt command", nil, []string{"cehck"}, 2, "", `perigee: there is no command "cehck"; did you mean perigee check\?\n`},
		{"misspelt command of the queue", nil, []string{"queue", "stat"}, 2, "", `perigee: queue: there is no command "stat"; did you mean perigee queue stats\?\n`},
		{"unknown flag", nil, []string{"start", "--bogus"}, 2, "", "start: there is no flag --bogus\n"},
		{"misspelt flag", nil, []string{"start", "--prot", "80"}, 2, "", `start: there is no flag --prot; did you mean --port\?`},
		{"flag in the other case", nil, []string{"start", "-p", "80"}, 2, "", `start: there is no flag -p; did you mean -P\?\nSee perigee start --help.\n`},
		{"value for a flag without one", nil, []string{"start", "--open=no"}, 2, "", "start: --open takes no value\nSee perigee start --help.\n"},
		{"flag without its value", nil, []string{"start", "--port"}, 2, "", "start: --port needs a value\n"},
		{"misspelt flag after another", nil, []string{"start", "--port", "--help", "--prot=1"}, 2, "", `start: there is no flag --prot; did you mean --port\?`},
		{"help of push", nil, []string{"push", "--help"}, 0, `--delay[\s\S]*--queue-address`, "^$"},
		{"hidden flag", nil, []string{"push", "--roster-interval", "never", "X"}, 2, "", "--roster-interval"},
		{"extra argument", nil, []string{"check", "scripts"}, 2, "", `unexpected argument "scripts"`},
		{"bad file", nil, []string{"check", "-c", "bad.toml"}, 1, "", `bad.toml:2: .*prot.*\n.*bad.toml:3: .*port`},
		{"missing file", nil, []string{"check", "-c", "none.toml"}, 1, "", "none.toml"},
		{"bad flag value", nil, []string{"check", "-P", "x"}, 2, "", "--port"},
		{"bad flag value and file", nil, []string{"check", "-P", "x", "-c", "bad.toml"}, 1, "", "bad.toml:2"},
		{"flag that is no number", nil, []string{"push", "--priority", "-1", "X"}, 2, "^$", `--priority: "-1" is not a whole number from 0 to 4294967295`},
		{"bad environment", []string{"SERVER_PORT=x"}, []string{"check"}, 1, "", "SERVER_PORT"},
		{"misspelt environment", []string{"SERVER_PROT=80"}, []string{"check", "--lua-path", "nowhere"}, 0, "warning: SERVER_PROT is not a setting.*\nok: .*, 1 warning\n", ""},
		{"strict check", []string{"SERVER_PROT=80"}, []string{"check", "--strict"}, 1, "^$", "perigee: SERVER_PROT is not a setting"},
		{"strict check for programs", nil, []string{"check", "--strict", "--json", "--lua-manager", "bare"}, 1, `"ok": false,[\s\S]*"problems": \[\n +"none of the base messages[\s\S]*"warnings": \[\n +"none of`, ""},
		{"strict check of what is well", nil, []string{"check", "--strict", "--lua-path", "nowhere"}, 0, "ok: 17 messages, [0-9]+ commands\n$", ""},
		{"scripts that are not read", nil, []string{"check"}, 0, `warning: lua.manager "giveaway" is built in, so none of your scripts was read: scripts/bare.lua, scripts/broken.lua\n`, ""},
		{"warnings of check", nil, []string{"check", "--json", "--lua-manager", "bare"}, 0, `"ok": true,[\s\S]*"problems": \[\],\n  "warnings": \[\n +"none of the base messages.*base.boot`, ""},
		{"warnings of routes", nil, []string{"routes", "--lua-manager", "bare"}, 0, "", "perigee: warning: none of the base messages"},
		{"no such program", nil, []string{"check", "-c", "programs.toml"}, 0, `warning: processes.gone cannot be started: .*/nowhere/gone`, ""},
		{"broken script", nil, []string{"check", "--lua-manager", "broken"}, 1, "", `scripts/broken.lua:2: .*protection`},
		{"default key for all", nil, []string{"start", "-A", "0.0.0.0", "-P", "0"}, 78, "", `refusing to listen on 0.0.0.0:0: .*SERVER_KEY`},
	}
	for _, row := range rows {
		code, stdout, stderr := perigee(t, row.environ, row.args...)
		if code != row.code {
			t.Errorf("%s: exit code %d, want %d", row.name, code, row.code)
		}
		if !regexp.MustCompile(row.stdout).MatchString(stdout) {
			t.Errorf("%s: stdout %q, want %s", row.name, stdout, row.stdout)
		}
		if !regexp.MustCompile(row.stderr).MatchString(stderr) {
			t.Errorf("%s: stderr %q, want %s", row.name, stderr, row.stderr)
		}
	}
}

// withSettings are the commands beside start that have the flags of settings.
var withSettings = []string{
	"check", "close", "connections", "console", "health", "push", "reload", "routes", "send", "status", "stop", "test", "trace", "types",
}

// Only the commands that the command line names have the flags of settings, and all of them if it asks for the documents.
func TestSettingFlags(t *testing.T) {
	for _, row := range []struct {
		args []string
		want bool // whether each other command has them, too
	}{
		{[]string{"start", "--port", "1"}, false},
		{[]string{"help", "start"}, false},
		{[]string{"docs", "man"}, true},
	} {
		p := &program{args: append([]string{"perigee"}, row.args...), stdout: io.Discard}
		for _, c := range p.root().Commands {
			has := slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), "port") })
			want := c.Name == "start" || row.want && slices.Contains(withSettings, c.Name)
			if has != want {
				t.Errorf("%q: %s has the flag --port: %v, want %v", row.args, c.Name, has, want)
			}
		}
	}
}

// --help of a command shows the settings that are most useful with it, and --help-all shows all.
func TestHelp(t *testing.T) {
	for _, command := range []string{"start", "check", "test", "push", "queue stats", "queue failed", "status", "reload", "stop"} {
		for _, flag := range []string{"--help", "--help-all"} {
			code, stdout, _ := perigee(t, nil, append(strings.Fields(command), flag)...)
			all := strings.Contains(stdout, "--limits-read-limit")
			if code != 0 || all != (flag == "--help-all") || !strings.Contains(stdout, "--port") {
				t.Errorf("%s %s = %d, with all settings: %v, want %v, and --port", command, flag, code, all, !all)
			}
			if hint := strings.Contains(stdout, "--help-all  "); hint == all {
				t.Errorf("%s %s mentions --help-all: %v, want %v", command, flag, hint, !all)
			}
		}
	}
}

// The error of a port that another program uses names the port and a remedy.
func TestPortTaken(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr := perigee(t, nil, "start", "--port", port)
	if want := "127.0.0.1:" + port + ": bind: address already in use: another program uses it"; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("start on a port that is taken = %d, %q, want 1, %q", code, stderr, want)
	}
}

// routes --json lists everything with file and line.
func TestRoutesJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, _ := perigee(t, nil, "routes", "--json")
	var got struct {
		Messages []struct {
			Name, Protection, Owner, Source string
			Schema, Handler                 bool
		}
		Commands  []struct{ Name, Source string }
		Listeners []struct{ Message, Command, Source string }
	}
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil {
		t.Fatalf("routes --json = %d, %q, %v, want JSON", code, stdout, err)
	}
	if len(got.Messages) != 17 || len(got.Commands) == 0 || len(got.Listeners) == 0 {
		t.Errorf("routes --json lists %d messages, %d commands, %d listeners, want 17 and some of each", len(got.Messages), len(got.Commands), len(got.Listeners))
	}
	for _, m := range got.Messages {
		if !strings.Contains(m.Source, ".lua:") {
			t.Errorf("%s is declared at %q, want file and line", m.Name, m.Source)
		}
		switch m.Name {
		case "AddPrize":
			if m.Protection != "admin" || !m.Schema || !m.Handler || m.Owner != "" {
				t.Errorf("AddPrize = %+v, want admin, with schema and handler", m)
			}
		case "DismissNotifications":
			if m.Protection != "client" || m.Schema || m.Handler || m.Owner != "connection" {
				t.Errorf("DismissNotifications = %+v, want client by connection, without schema and handler", m)
			}
		}
	}
}

// A server that hangs prints the stacks of its goroutines and ends with 70.
func TestHang(t *testing.T) {
	var stderr bytes.Buffer
	code := 0
	p := &program{stderr: logging.New(&stderr), exit: func(c int) { code = c }}
	var writing sync.WaitGroup
	writing.Go(p.stderr.Run)
	p.exitOnHang(6 * time.Second)
	writing.Wait()
	if code != 70 {
		t.Errorf("exit code %d, want 70", code)
	}
	if output := stderr.String(); !strings.Contains(output, "for 6s and cannot be stopped") || !strings.Contains(output, "TestHang") {
		t.Errorf("stderr %q, want what happened and the goroutines", output)
	}
}

// A server that does not stop in time prints what is still running and the stacks of its goroutines, and fails.
func TestStopTimeout(t *testing.T) {
	var stderr bytes.Buffer
	code := 0
	p := &program{stderr: logging.New(&stderr), exit: func(c int) { code = c }}
	var writing sync.WaitGroup
	writing.Go(p.stderr.Run)
	p.exitOnStopTimeout([]string{"connections", "loop"})
	writing.Wait()
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if output := stderr.String(); !strings.Contains(output, "still running: connections, loop;") || !strings.Contains(output, "TestStopTimeout") {
		t.Errorf("stderr %q, want what is still running and the goroutines", output)
	}
}

// serve runs perigee start until stop is called, and returns its address once it serves. done receives its exit code.
func serve(t *testing.T, stderr io.Writer) (address string, stop func(), done <-chan int) {
	t.Helper()
	t.Chdir(t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	ended := make(chan int, 1)
	var wg sync.WaitGroup
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
	wg.Go(func() {
		ended <- run(ctx, []string{"perigee", "start", "-P", "0"}, nil, stdout, stderr)
		_ = stdout.Close() // of a pipe, without error
	})
	lines := bufio.NewScanner(output)
	for address == "" && lines.Scan() {
		if match := regexp.MustCompile(`^page +(http://\S+)`).FindStringSubmatch(lines.Text()); match != nil {
			address = match[1]
		}
	}
	wg.Go(func() { _, _ = io.Copy(io.Discard, output) })
	return address, stop, ended
}

// fetchPage reads the page of a server.
func fetchPage(t *testing.T, address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), "<title>") {
		t.Errorf("GET %s = %.100q, %v, want a page", request.URL, body, err)
	}
}

// start prints its address, serves there, and ends with 0 when it is stopped.
func TestStart(t *testing.T) {
	var stderr bytes.Buffer // read only after the program has ended
	address, stop, ended := serve(t, &stderr)
	fetchPage(t, address)
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("start ended with %d, want 0; stderr:\n%s", code, stderr.String())
	}
	if !strings.Contains(stderr.String(), "engine: stopped") {
		t.Errorf("stderr %q, want the log up to the end", stderr.String())
	}
}

// A server whose log is not read serves and ends like any other, also if a script blocks it.
func TestStalledLog(t *testing.T) {
	unread, stderr := io.Pipe()
	address, stop, ended := serve(t, stderr)
	fetchPage(t, address)
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("start ended with %d, want 0", code)
	}
	stuck := make(chan int, 1)
	p := &program{stderr: logging.New(stderr), exit: func(code int) { stuck <- code }}
	var writing sync.WaitGroup
	t.Cleanup(writing.Wait)
	writing.Go(p.stderr.Run)
	t.Cleanup(func() { _ = unread.Close() }) // ends the pending write
	p.exitOnHang(6 * time.Second)
	if code := <-stuck; code != 70 {
		t.Errorf("exit code of a server that hangs = %d, want 70", code)
	}
}
