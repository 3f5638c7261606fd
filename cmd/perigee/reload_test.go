package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"perigee/cmd/perigee/report"
	"perigee/engine/testkit"
)

const (
	appRing = `server.message("Ring", { protection = "none" }, function(client) client:send("Rang") end)`
	appHalt = appRing + ` server.message("Halt", { protection = "none" }, function(client) client:send("Halted") end)`
)

// reload shows what has changed and keeps every connection. With an error in the scripts it fails with its place and changes
// nothing. The service manager is notified of begin and end.
func TestReload(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, appRing)
	manager := serviceManager(t)
	_, environ := runtimeDir(t)
	server := start(t, environ, "--lua-manager", "app")
	heard(t, manager)
	alice := server.dial(t)
	alice.send(`{"name":"Halt"}`)
	alice.await("UnknownMessage")

	writeApp(t, appHalt)
	code, stdout, stderr := perigee(t, environ, "check", "--against-running", "-P", server.port)
	if want := `^a reload would change:\nadded +message Halt`; code != 0 || !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("check --against-running = %d, %q, %q, want 0 and %s", code, stdout, stderr, want)
	}
	alice.send(`{"name":"Halt"}`)
	alice.await("UnknownMessage")
	code, stdout, stderr = perigee(t, environ, "reload", "-P", server.port)
	if want := `^reloaded: generation 2, in \S+\nadded +message Halt`; code != 0 || !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("reload = %d, %q, %q, want 0 and %s", code, stdout, stderr, want)
	}
	alice.send(`{"name":"Halt"}`)
	alice.await("Halted")
	server.stderr.await(t, `"msg":"engine: reloaded","generation":2,"took":"[\d.]+\S*s","pause":"[\d.]+\S*s"`) // with their units
	for _, want := range []string{`^RELOADING=1\nMONOTONIC_USEC=\d+\n`, `^READY=1\nSTATUS=generation 2`} {
		if got := heard(t, manager); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("the service manager hears %q, want %s", got, want)
		}
	}

	if code, stdout, _ := perigee(t, environ, "check", "--against-running", "-P", server.port); code != 0 || !strings.Contains(stdout, "no registration and no setting") {
		t.Errorf("check --against-running after the reload = %d, %q, want 0 and no changes", code, stdout)
	}
	writeApp(t, `server.message("Halt", {})`)
	code, stdout, _ = perigee(t, environ, "check", "--against-running", "--json", "-P", server.port)
	if want := `"ok": false,[\s\S]*"problems": \[\n +"scripts/app.lua:6: message \\"Halt\\": protection`; code != 1 || !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("check --against-running with a fault = %d, %q, want 1 and %s", code, stdout, want)
	}
	code, stdout, stderr = perigee(t, environ, "reload", "-P", server.port)
	if code != 1 || stdout != "" || !strings.Contains(stderr, `perigee: not reloaded; the previous scripts keep running: scripts/app.lua:6: message "Halt": protection`) {
		t.Errorf("reload with a fault = %d, %q, %q, want 1 and scripts/app.lua:6", code, stdout, stderr)
	}
	alice.send(`{"name":"Ring"}`)
	alice.await("Rang")
	for _, want := range []string{`^RELOADING=1`, `^READY=1\nSTATUS=reload failed: .*scripts/app.lua:6: message "Halt": protection`} {
		if got := heard(t, manager); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("the service manager hears %q, want %s", got, want)
		}
	}

	writeApp(t, appRing)
	code, stdout, _ = perigee(t, environ, "reload", "-P", server.port, "--json")
	var got report.Reload
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil || got.Generation != 3 ||
		len(got.Changes) != 1 || got.Changes[0].Name != "Halt" || got.Changes[0].What != "removed" || got.Warnings == nil || got.NeedsRestart == nil {
		t.Errorf("reload --json = %d, %s, %v, want 0, generation 3, and Halt removed", code, stdout, err)
	}
	if _, stdout, _ := perigee(t, environ, "status", "-P", server.port); !strings.Contains(stdout, "generation 3") {
		t.Errorf("status after reloads = %q, want generation 3", stdout)
	}
}

// reload and check --against-running list changed settings with their values, except keys; --json has the values as in the file.
func TestReloadSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, appRing)
	_, environ := runtimeDir(t)
	settings := func(key, origins, level string) {
		t.Helper()
		text := "[server]\nkey = \"" + key + "\"\norigins = [" + origins + "]\nlog_level = \"" + level + "\"\n[lua]\nmanager = \"app\"\nturn_timeout = \"1m\"\n"
		if err := os.WriteFile("server.toml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings("correct horse battery", "", "info")
	server := start(t, environ)
	settings("staple of batteries", `"https://a.example", "https://b.example"`, "debug")
	changed := `changed +setting server.key +\nchanged +setting server.origins +\[\] -> \["https://a.example","https://b.example"\]\n` +
		`changed +setting server.log_level +"info" -> "debug"\n`
	code, stdout, stderr := perigee(t, environ, "check", "--against-running", "-P", server.port)
	if want := `^a reload would change:\n` + changed + `$`; code != 0 || !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("check --against-running = %d, %q, %q, want 0 and %s", code, stdout, stderr, want)
	}
	code, stdout, stderr = perigee(t, environ, "reload", "-P", server.port)
	if want := `^reloaded: generation 2, in \S+\n` + changed; code != 0 || !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("reload = %d, %q, %q, want 0 and %s", code, stdout, stderr, want)
	}
	settings("correct horse battery", "", "debug")
	code, stdout, _ = perigee(t, environ, "reload", "-P", server.port, "--json")
	var got report.Reload
	err := json.Unmarshal([]byte(stdout), &got)
	if code != 0 || err != nil || len(got.Settings) != 2 || got.Settings[0].Name != "server.key" || got.Settings[0].After != nil ||
		got.Settings[1].Name != "server.origins" || string(got.Settings[1].After) != "[]" {
		t.Errorf("reload --json = %d, %s, %v, want 0, server.key without values, and server.origins after which there are none", code, stdout, err)
	}
	if output := stdout + server.stderr.String(); strings.Contains(output, "horse") || strings.Contains(output, "staple") {
		t.Errorf("a key is shown in %s", output)
	}
}

// receive waits for the next value of a channel.
func receive[T any](t *testing.T, from <-chan T) {
	t.Helper()
	select {
	case <-from:
	case <-time.After(testkit.Timeout):
		t.Fatal("nothing has come, want it to")
	}
}

// Each SIGHUP triggers a reload; several during one reload count as one.
func TestHangup(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, appRing)
	_, environ := runtimeDir(t)
	server := start(t, environ, "--lua-manager", "app")

	// A boot that makes an HTTP request waits for the response.
	asked, answers := make(chan struct{}, 16), make(chan struct{})
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answers
	}))
	defer other.Close()
	answer := sync.OnceFunc(func() { close(answers) })
	defer answer()
	writeApp(t, `require("http").get("`+other.URL+`") `+appHalt)
	delivered := make(chan os.Signal, 1)
	signal.Notify(delivered, syscall.SIGHUP)
	defer signal.Stop(delivered)
	hangup := func() {
		t.Helper()
		if err := hangUp(); err != nil {
			t.Fatal(err)
		}
		receive(t, delivered)
	}
	hangup()
	receive(t, asked)
	for range 5 {
		hangup()
	}
	answer()
	alice := server.dial(t)
	for range 3 { // each reload asks when it rehearses, and in earnest: the last was the second's
		receive(t, asked)
	}
	code, stdout, stderr := perigee(t, environ, "reload", "-P", server.port)
	if code != 0 || !strings.HasPrefix(stdout, "reloaded: generation 4, ") {
		t.Errorf("reload after SIGHUPs = %d, %q, %q, want 0 and generation 4: one for the first and one for all others", code, stdout, stderr)
	}
	alice.send(`{"name":"Halt"}`)
	alice.await("Halted")
}

// hangUp sends SIGHUP to this process.
func hangUp() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	return self.Signal(syscall.SIGHUP)
}

// An early SIGHUP does not end the server, but it ends other commands.
func TestEarlyHangup(t *testing.T) {
	held := holdHangups([]string{"perigee", "start"})
	defer signal.Stop(held)
	if err := hangUp(); err != nil {
		t.Fatal(err)
	}
	receive(t, held)
	if held := holdHangups([]string{"perigee", "status"}); held != nil {
		t.Error("status holds SIGHUP, want that it ends it")
	}
}

// With --watch each save triggers a reload, and its result is printed at once.
func TestWatch(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, appRing)
	_, environ := runtimeDir(t)
	server := start(t, environ, "--lua-manager", "app", "--watch", "--log-format", "text", "--lua-turn-timeout", "1m")
	alice := server.dial(t)
	writeApp(t, appHalt)
	server.stdout.await(t, `(?m)^reloaded: generation 2, in \S+: message Halt added`)
	alice.send(`{"name":"Halt"}`)
	alice.await("Halted")
	writeApp(t, `server.message("Halt", {})`)
	const fault = `: message "Halt": protection = "none", "client" or "admin" is missing`
	server.stderr.await(t, `(?m)^perigee: not reloaded; the previous scripts keep running: scripts/app.lua:6`+fault+`$`)
	alice.send(`{"name":"Ring"}`)
	alice.await("Rang")
	writeApp(t, appRing)
	server.stdout.await(t, `(?m)^reloaded: generation 3, in \S+: message Halt removed$`)
	if err := os.WriteFile("server.toml", []byte("[server]\nmax_connections = 50\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.stdout.await(t, `(?m)^reloaded: generation 4, in \S+: setting server.max_connections changed \(100 -> 50\)$`)
	if err := os.WriteFile("server.toml", []byte("[server]\nprot = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.stderr.await(t, `(?m)^perigee: not reloaded; the previous scripts keep running: server.toml:2: .*prot`)
	if err := os.WriteFile("server.toml", []byte("[server]\nmax_connections = 60\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.stdout.await(t, `50 -> 60`)
	writeApp(t, `server.message("Ring", { protection = "none" }, function(client) client:sned("Rang") end)`)
	server.stderr.await(t, `(?m)level=WARN msg="script: a name that nothing defines" place=scripts/app\.lua:6:\d+ problem="there is no client:sned" did_you_mean=client:send$`)
	writeApp(t, `local function deep() error("deep") end deep()`)
	server.stderr.await(t, `(?m)^perigee: not reloaded; the previous scripts keep running: scripts/app.lua:6: deep\n    scripts/app.lua:6: in .*\n    scripts/app.lua:6: in .*\n`)
	server.stderr.await(t, `(?m)^    scripts/app.lua\n {8}3 \| local app = base:extend\(\)\n(?: .*\n)*  >     6 \|   local function deep\(\) error\("deep"\) end deep\(\)\n {8}7 \| end\n`)
	writeApp(t, `server.message("Ring", { protection = "none" }, function(client) client.sned("Rang") end)`)
	server.stdout.await(t, `(?m)^reloaded: generation 7`)
	alice.send(`{"name":"Ring"}`)
	server.stderr.await(t, `(?m)msg="manager: script failed" .*\n    scripts/app.lua\n(?: .*\n)*  >     6 \|   server.message\("Ring", .*client.sned\("Rang"\) end\)\n`)
	log := server.stderr.String()
	if n := strings.Count(log, "is missing"); n != 1 || strings.Contains(log, "reload failed") {
		t.Errorf("a fault is told %d times, want once: %s", n, log)
	}
	if strings.Contains(log, "engine: reload") {
		t.Errorf("a change that is printed is in the log too: %s", log)
	}
}

// If the log is JSON, an error after a save is one log line and nothing else.
func TestWatchForPrograms(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, appRing)
	_, environ := runtimeDir(t)
	server := start(t, environ, "--lua-manager", "app", "--watch", "--log-format", "json", "--lua-turn-timeout", "1m")
	writeApp(t, `server.message("Halt", {})`)
	server.stderr.await(t, `"msg":"engine: reload failed; the server continues unchanged","error":"scripts/app.lua:6: message`)
	writeApp(t, appHalt)
	server.stdout.await(t, `(?m)^reloaded: generation 2`)
	for line := range strings.Lines(server.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log has %q, want JSON", line)
		}
	}
}
