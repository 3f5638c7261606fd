package engine_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/testkit"
)

// ready requests /readyz until the line about the queue matches a regular expression.
func ready(t *testing.T, server *enginetest.Server, queue string) {
	t.Helper()
	want := regexp.MustCompile(`^ready\nqueue: ` + queue + `\nconnections: [0-9]+, 0 away\n$`)
	testkit.WaitFor(t, "/readyz to be "+want.String(), func() bool {
		status, text := fetch(t, server.URL+"readyz")
		if status != http.StatusOK {
			t.Fatalf("GET /readyz = %d %q, want 200 while clients are welcome", status, text)
		}
		return want.MatchString(text)
	})
}

func fetch(t *testing.T, url string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// A server is ready without its queue, reports the status of the queue, and logs each change once.
func TestReadyTellsOfTheQueue(t *testing.T) {
	b := beanstalkd.Start(t, beanstalkd.Options{})
	server := enginetest.Start(t, func(c *config.Config) {
		c.Queue.Driver, c.Queue.Address = config.DriverBeanstalkd, b.Address
	})
	ready(t, server, "connected")
	b.Kill()
	ready(t, server, `connection refused since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	logged(t, server, "queue: connection lost", 1)
	b.Restart(t)
	ready(t, server, "connected")
	logged(t, server, "queue: connected", 2)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	log := server.Log()
	if n := strings.Count(log, "msg=\"queue: "); n != 3 {
		t.Errorf("the log has %d lines of the queue, want that it was connected, lost and connected: %s", n, log)
	}
}

// logged waits until the log contains a text this many times.
func logged(t *testing.T, server *enginetest.Server, text string, times int) {
	t.Helper()
	testkit.WaitFor(t, "the log to have "+text, func() bool { return strings.Count(server.Log(), text) >= times })
}

// The status of an application that takes no jobs says so.
func TestReadyWithoutJobs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"idle.lua": `
local idle = require("manager"):extend()
function idle:boot() end
return idle`})
	server := enginetest.Start(t, func(c *config.Config) { c.Lua.Path, c.Lua.Manager = dir, "idle" })
	ready(t, server, "no jobs are taken")
}
