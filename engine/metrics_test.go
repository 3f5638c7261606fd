package engine_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// getMetrics requests the metrics and returns the status and the body of the response.
func getMetrics(t *testing.T, server *enginetest.Server, header ...string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("GET /metrics = %v, want an answer", err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// scrape returns all series with their values.
func scrape(t *testing.T, server *enginetest.Server) map[string]string {
	t.Helper()
	status, text := getMetrics(t, server)
	if status != http.StatusOK {
		t.Fatalf("GET /metrics = %d %s, want 200", status, text)
	}
	series := map[string]string{}
	for line := range strings.Lines(text) {
		if at := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") {
			series[line[:at]] = strings.TrimSpace(line[at:])
		}
	}
	return series
}

// measured waits until series have their values: some events are counted after the reply.
func measured(t *testing.T, server *enginetest.Server, want map[string]string) {
	t.Helper()
	var got map[string]string
	defer func() {
		if t.Failed() {
			t.Logf("of the metrics that are wanted there are %v", got)
		}
	}()
	testkit.WaitFor(t, fmt.Sprint("the metrics ", want), func() bool {
		got = scrape(t, server)
		maps.DeleteFunc(got, func(name, _ string) bool { return want[name] == "" })
		return maps.Equal(got, want)
	})
}

// putOwn puts a job with this body on the memory queue of a server.
func putOwn(t *testing.T, server *enginetest.Server, body string) {
	t.Helper()
	if _, err := server.Control.PutJob(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(body), Priority: queue.DefaultPriority}); err != nil {
		t.Fatalf("PutJob(%s) = %v, want nil", body, err)
	}
}

// watched is the boot of an application with handlers of every kind.
const watched = `
base.boot(self)
server.message("Click", { protection = "none" }, function(client)
  server.run("Count")
  client:send("Clicked")
end)
server.message("Fail", { protection = "none" }, function() error("broken") end)
server.message("Reset", { protection = "admin" }, function() end)
server.command("Count", function() server.state("clicks", { n = 0 }).n = server.uptime() end)
server.after(1, function() end)
`

// keepBusy lets clients, jobs and strangers cause every kind of event.
func keepBusy(t *testing.T, server *enginetest.Server) {
	t.Helper()
	alice, bob := server.Dial(t, "alice"), server.Dial(t, "bob")
	alice.Send(`{"name":"Click"}`)
	alice.Expect("Clicked")
	for _, text := range []string{`{"name":"Fail"}`, `{"name":"Fail"}`, `{"name":"Nowhere"}`, `{"name":"Elsewhere"}`, `{`} {
		alice.Send(text)
		alice.Expect("MessageException")
	}
	alice.Send(`{"name":"Reset"}`)
	alice.Expect("PromptForAuthentication")
	alice.Send(`{"name":"Authenticate","password":"guess"}`)
	alice.Expect("PromptForAuthentication")
	bob.Close(4999, "")
	bob.ExpectClose()
	putOwn(t, server, `{"job":"Count"}`)
	putOwn(t, server, `{"job":"Nobody"}`)
	putOwn(t, server, `!`)
	for range 2 {
		if status, _ := getMetrics(t, server, "X-Forwarded-For", "203.0.113.7", "Authorization", "Bearer guess"); status != http.StatusUnauthorized {
			t.Errorf("GET /metrics with a wrong key = %d, want 401", status)
		}
	}
}

// The actions of clients, scripts and jobs are counted with their outcome; the metrics parse.
func TestMetrics(t *testing.T) {
	f := newFolder(t, app(watched))
	server := f.serve(func(c *config.Config) {
		c.State.File, c.State.Interval = filepath.Join(t.TempDir(), "state.json"), config.Duration(10*time.Millisecond)
	})
	keepBusy(t, server)
	function := filepath.Base(f.path) + "/app.lua:14"
	measured(t, server, map[string]string{
		`perigee_build_info{version="",revision="",goversion="` + runtime.Version() + `"}`: "1",
		"perigee_connections":                                                                         "1",
		"perigee_connections_opened_total":                                                            "2",
		`perigee_connections_closed_total{code="4xxx"}`:                                               "1",
		`perigee_connections_closed_total{code="1000"}`:                                               "0",
		"perigee_send_queue_bytes":                                                                    "0",
		"perigee_resume_bytes":                                                                        "0",
		`perigee_auth_failures_total{from="client"}`:                                                  "1",
		`perigee_auth_failures_total{from="program"}`:                                                 "2",
		`perigee_messages_received_total{generation="1",name="Click"}`:                                "1",
		`perigee_messages_received_total{generation="1",name="Reset"}`:                                "1",
		`perigee_messages_received_total{generation="1",name="(unknown)"}`:                            "2",
		`perigee_messages_received_total{generation="1",name="(invalid)"}`:                            "1",
		`perigee_handler_duration_seconds_count{generation="1",kind="message",name="Click"}`:          "1",
		`perigee_handler_duration_seconds_count{generation="1",kind="message",name="Fail"}`:           "2",
		`perigee_handler_duration_seconds_count{generation="1",kind="message",name="Reset"}`:          "0",
		`perigee_handler_duration_seconds_count{generation="1",kind="command",name="Count"}`:          "2",
		`perigee_handler_duration_seconds_count{generation="1",kind="hook",name="open"}`:              "2",
		`perigee_handler_duration_seconds_count{generation="1",kind="hook",name="close"}`:             "1",
		`perigee_handler_duration_seconds_count{generation="1",kind="hook",name="error"}`:             "2",
		`perigee_handler_duration_seconds_count{generation="1",kind="timer",name="` + function + `"}`: "1",
		`perigee_handler_errors_total{generation="1",kind="message",name="Fail"}`:                     "2",
		`perigee_handler_errors_total{generation="1",kind="command",name="Count"}`:                    "0",
		"perigee_handlers_waiting":                                                                    "0",
		"perigee_generation":                                                                          "1",
		"perigee_jobs_begun_total":                                                                    "2",
		"perigee_jobs_in_hand":                                                                        "0",
		`perigee_jobs_settled_total{outcome="done",reason=""}`:                                        "1",
		`perigee_jobs_settled_total{outcome="buried",reason="unknown_command"}`:                       "1",
		`perigee_jobs_settled_total{outcome="buried",reason="unreadable"}`:                            "1",
		"perigee_queue_wanted":                                                                        "1",
		"perigee_queue_connected":                                                                     "1",
		`perigee_state_saves_total{result="failed"}`:                                                  "0",
	})
	if series := scrape(t, server); series[`perigee_state_saves_total{result="done"}`] == "0" || series["go_goroutines"] == "" || series["process_open_fds"] == "" {
		t.Errorf("the metrics are %v, want saves, and those of the runtime and the process", series)
	}
	err := testutil.ScrapeAndCompare(server.URL+"metrics", strings.NewReader(`
# HELP perigee_generation Number of the set of scripts that runs: 1 at the start, one more with each reload.
# TYPE perigee_generation gauge
perigee_generation 1
`), "perigee_generation")
	if err != nil {
		t.Errorf("GET /metrics as Prometheus reads it: %v", err)
	}
}

// After many reloads only the series of the running scripts exist. The counters of the server continue, with any worker.
func TestMetricsOfReloads(t *testing.T) {
	f := newFolder(t, app(watched))
	server := f.serve(nil)
	alice := server.Dial(t, "alice")
	const reloads = 20
	for i := range reloads {
		alice.Send(`{"name":"Click"}`)
		alice.Expect("Clicked")
		putOwn(t, server, `{"job":"Count"}`)
		measured(t, server, map[string]string{`perigee_jobs_settled_total{outcome="done",reason=""}`: fmt.Sprint(i + 1)})
		f.write("app.lua", app(watched+fmt.Sprintf("server.work({ window = %d })", i%2+1)))
		if _, err := server.Control.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.write("app.lua", "return 1")
	if _, err := server.Control.Reload(t.Context()); err == nil {
		t.Fatal("a reload of broken scripts = nil, want an error")
	}
	now := fmt.Sprintf(`generation="%d"`, reloads+1)
	testkit.WaitFor(t, "the series of all other generations to be gone", func() bool {
		names := slices.Collect(maps.Keys(scrape(t, server)))
		return !slices.ContainsFunc(names, func(name string) bool {
			return strings.Contains(name, "generation=") && !strings.Contains(name, now)
		})
	})
	measured(t, server, map[string]string{
		"perigee_generation":                                        fmt.Sprint(reloads + 1),
		`perigee_reloads_total{result="done"}`:                      fmt.Sprint(reloads),
		`perigee_reloads_total{result="failed"}`:                    "1",
		"perigee_connections_opened_total":                          "1",
		`perigee_messages_received_total{` + now + `,name="Click"}`: "0",
		`perigee_jobs_settled_total{outcome="done",reason=""}`:      fmt.Sprint(reloads),
		"perigee_queue_disconnects_total":                           "0",
	})
	if pause := scrape(t, server)["perigee_reload_pause_seconds"]; pause == "0" {
		t.Error("perigee_reload_pause_seconds = 0, want the pause of the last reload")
	}
}

// The series of replaced scripts remain while one of their handlers runs.
func TestMetricsWhileScriptsDrain(t *testing.T) {
	f := newFolder(t, app(`
server.message("Wait", { protection = "none" }, function(client)
  client:send("Waits")
  server.sleep(60000)
end)`))
	server := f.serve(func(c *config.Config) { c.Lua.Drain = config.Duration(time.Hour) })
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Wait"}`)
	alice.Expect("Waits")
	if _, err := server.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	measured(t, server, map[string]string{
		`perigee_messages_received_total{generation="1",name="Wait"}`: "1",
		`perigee_messages_received_total{generation="2",name="Wait"}`: "0",
		"perigee_handlers_waiting":                                    "1",
	})
}

// Only clients on this machine and those with the key get the metrics.
func TestMetricsAreNotForStrangers(t *testing.T) {
	server := commandServer(t, nil)
	const proxied, key = "X-Forwarded-For", "Bearer " + commandKey
	for _, row := range []struct {
		claim  string
		header []string
		status int
		want   string // a part of the response
	}{
		{"this machine", nil, 200, "perigee_connections 0"},
		{"this machine, with a wrong key", []string{"Authorization", "Bearer guess"}, 200, "perigee_connections 0"},
		{"through a proxy", []string{proxied, "203.0.113.7"}, 401, `"exception":"Unauthorized"`},
		{"through a proxy that says so in another way", []string{"Forwarded", "for=203.0.113.7"}, 401, `"exception":"Unauthorized"`},
		{"through a proxy that only names itself", []string{"Via", "1.1 front"}, 401, `"exception":"Unauthorized"`},
		{"through a proxy that only names the scheme", []string{"X-Forwarded-Proto", "https"}, 401, `"exception":"Unauthorized"`},
		{"through a proxy, with a wrong key", []string{proxied, "203.0.113.7", "Authorization", "Bearer guess"}, 401, `"exception":"Unauthorized"`},
		{"through a proxy, with the key", []string{proxied, "203.0.113.7", "Authorization", key}, 200, "perigee_connections 0"},
		{"under a name of others", []string{"Host", "evil.example"}, 421, "host not served here"},
		{"a page of another origin", []string{"Origin", "https://evil.example"}, 403, "origin not allowed"},
	} {
		status, text := getMetrics(t, server, row.header...)
		if status != row.status || !strings.Contains(text, row.want) || status != http.StatusOK && strings.Contains(text, "perigee_") {
			t.Errorf("%s: GET /metrics = %d %s, want %d with %s", row.claim, status, text, row.status, row.want)
		}
	}
}

// The key is in no metric, wherever clients and programs send it.
func TestMetricsTellNoSecret(t *testing.T) {
	const secret = "S3CRET-canary-123456"
	server := commandServer(t, func(c *config.Config) { c.Server.Key = secret })
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"` + secret + `"}`)
	alice.Expect("MessageException")
	alice.Send(`{"name":"Authenticate","password":"` + secret + `"}`)
	alice.Expect("ConnectionAuthenticated")
	alice.Send(`{"name":"RegisterTopic","topic":"` + secret + `"}`)
	alice.Expect("UpdateTopics")
	alice.Close(1000, secret)
	alice.ExpectClose()
	putOwn(t, server, `{"job":"`+secret+`"}`)
	post(t, server, secret, "{}", "Authorization", "Bearer "+secret)
	measured(t, server, map[string]string{
		`perigee_jobs_settled_total{outcome="buried",reason="unknown_command"}`: "1",
		"perigee_connections": "0",
	})
	if _, text := getMetrics(t, server, "X-Forwarded-For", "203.0.113.7", "Authorization", "Bearer "+secret); strings.Contains(text, secret) || !strings.Contains(text, "perigee_") {
		t.Errorf("GET /metrics = %s, want metrics without the key", text)
	}
}

// While a handler holds the loop, the metrics are available and show the queued turns.
func TestMetricsWhileTheLoopIsHeld(t *testing.T) {
	server := application(t, `
function app:boot()
  base.boot(self)
  server.message("Hold", { protection = "none" }, function(client)
    client:send("Held")
    while true do end
  end)
end`, func(c *config.Config) {
		c.Lua.TurnTimeout = config.Duration(time.Hour)
		c.Stop.Timeout, c.Stop.Drain = config.Duration(200*time.Millisecond), config.Duration(100*time.Millisecond)
	})
	alice, bob := server.Dial(t, "alice"), server.Dial(t, "bob")
	alice.Send(`{"name":"Hold"}`)
	alice.Expect("Held")
	before := scrape(t, server)["perigee_loop_queued_turns"]
	for range 3 {
		bob.Send(`{"name":"Hold"}`)
	}
	testkit.WaitFor(t, "three more turns to be queued", func() bool {
		var was, is int
		if _, err := fmt.Sscan(before, &was); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(scrape(t, server)["perigee_loop_queued_turns"], &is); err != nil {
			t.Fatal(err)
		}
		return is >= was+3
	})
}

// Failed saves are counted, and so are tables that cannot be saved.
func TestMetricsOfTheState(t *testing.T) {
	dir := t.TempDir()
	f := newFolder(t, app(`
base.boot(self)
server.message("Spoil", { protection = "none" }, function(client)
  server.state("fine", {}).n = 1
  server.state("spoilt", {}).who = "caf\233"
  client:send("Spoilt")
end)`))
	server := f.serve(func(c *config.Config) {
		c.State.File, c.State.Interval = filepath.Join(dir, "state.json"), config.Duration(10*time.Millisecond)
	})
	if err := os.MkdirAll(filepath.Join(dir, "state.json.tmp", "x"), 0o700); err != nil { // the file is written there first
		t.Fatal(err)
	}
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Spoil"}`)
	alice.Expect("Spoilt")
	testkit.WaitFor(t, "saves that failed", func() bool {
		series := scrape(t, server)
		failed := series[`perigee_state_saves_total{result="failed"}`]
		return failed != "0" && failed != "" && series["perigee_state_unsaveable"] == "1"
	})
}

// The documents name every metric of the server's own, and no other.
func TestDocumentMetrics(t *testing.T) {
	server := commandServer(t, nil)
	_, text := getMetrics(t, server)
	var there, named []string
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (perigee_\w+)`).FindAllStringSubmatch(text, -1) {
		there = append(there, match[1])
	}
	for _, match := range regexp.MustCompile("`(perigee_\\w+)`").FindAllStringSubmatch(enginetest.GuideText(t), -1) {
		named = append(named, match[1])
	}
	slices.Sort(named)
	if !slices.Equal(slices.Compact(named), there) || len(there) == 0 {
		t.Errorf("the documents name the metrics\n%q\nwant those of a server\n%q", named, there)
	}
}
