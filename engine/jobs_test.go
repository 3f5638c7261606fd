package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/jobqueue"
	"perigee/engine/queue"
	"perigee/engine/script/module"
	"perigee/engine/testkit"
)

// work starts a server that takes jobs from its own beanstalkd.
func work(t *testing.T, app string, change func(c *config.Config)) (*enginetest.Server, jobqueue.Client) {
	t.Helper()
	b := beanstalkd.Start(t, beanstalkd.Options{})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.lua"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	server := enginetest.Start(t, func(c *config.Config) {
		c.Queue.Address = b.Address
		c.Queue.Driver = config.DriverBeanstalkd
		if app != "" {
			c.Lua.Path, c.Lua.Manager = dir, "app"
		}
		if change != nil {
			change(c)
		}
	})
	address := server.Config.Queue
	if address.Driver == config.DriverMemory || address.Driver == config.DriverOff { // the service is that of the test
		address.Driver = config.DriverBeanstalkd
	}
	service, err := jobqueue.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Close() })
	return server, service
}

// putJob puts a job of a command and returns its ID.
func putJob(t *testing.T, service jobqueue.Client, command, arguments string) uint64 {
	t.Helper()
	body, err := jobqueue.Body(command, []byte(arguments))
	if err != nil {
		t.Fatal(err)
	}
	return putBody(t, service, string(body))
}

func putBody(t *testing.T, service jobqueue.Client, body string) uint64 {
	t.Helper()
	id, err := service.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(body), Priority: queue.DefaultPriority})
	if err != nil {
		t.Fatalf("Put(%s) = %v, want a number", body, err)
	}
	return id
}

// gone waits until the service does not know a job any more.
func gone(t *testing.T, service jobqueue.Client, id uint64) {
	t.Helper()
	testkit.WaitFor(t, "the job to be gone", func() bool {
		_, _, err := service.PeekJob(t.Context(), "default", id)
		if err != nil && !errors.Is(err, queue.ErrNotFound) {
			t.Fatalf("PeekJob(%d) = %v, want it to be gone", id, err)
		}
		return err != nil
	})
}

// buried waits until a job is buried.
func buried(t *testing.T, service jobqueue.Client, id uint64) {
	t.Helper()
	testkit.WaitFor(t, "the job to be buried", func() bool {
		_, stats, err := service.PeekJob(t.Context(), "default", id)
		if err != nil {
			t.Fatalf("PeekJob(%d) = %v, want it to be buried", id, err)
		}
		return stats.State == string(queue.Buried)
	})
}

// A job of the give-away sends messages to clients, and is deleted then.
func TestJobReachesClients(t *testing.T) {
	server, service := work(t, "", nil)
	alice := server.Dial(t, "alice")
	id := putJob(t, service, "AddPrize", `{"prize":{"name":"Mug","sponsor":"Acme"}}`)
	prizes, _ := alice.Expect("UpdatePrizes")["prizes"].([]any)
	for len(prizes) == 0 { // the first one is sent at the opening
		prizes, _ = alice.Expect("UpdatePrizes")["prizes"].([]any)
	}
	if prize, _ := prizes[0].(map[string]any); prize["name"] != "Mug" {
		t.Errorf("alice < prizes %v, want the mug", prizes)
	}
	gone(t, service, id)
}

// countingJobs is an application that counts its jobs.
const countingJobs = `
local base = require "manager"
local server = require "server"
local app = base:extend()
function app:boot()
  base.boot(self)
  local counts = server.state("counts", { total = 0 })
  server.command("Count", function() counts.total = counts.total + 1 end)
  server.command("Spoil", function() counts.who = "caf\233" end)
  server.command("Mend", function() counts.who = nil end)
  server.command("Say", function(arguments)
    server.connections():find(arguments.to):send("Said", { text = arguments.text })
  end)
  server.command("Fail", function() error("the till is locked") end)
  server.command("Once", { schema = { required = { "item" }, properties = { item = { type = "string" } } } }, function(arguments)
    server.refuse("there is no " .. arguments.item)
  end)
  local release
  local released = server.promise(function(resolve) release = resolve end)
  server.command("Wait", function() released:await() server.broadcast("Waited") end)
  server.message("Release", { protection = "none" }, function() release() end)
  server.message("Push", { protection = "none" }, function(client, message)
    local id, reason = server.push(message.command, message.arguments, { delay = message.delay })
    client:send("Pushed", { job = id, reason = reason })
  end)
end
return app`

// Scripts push jobs to either kind of queue, and take them again.
func TestScriptPushes(t *testing.T) {
	for _, driver := range []string{config.DriverBeanstalkd, config.DriverMemory} {
		t.Run(driver, func(t *testing.T) {
			server, _ := work(t, countingJobs, func(c *config.Config) { c.Queue.Driver = driver })
			alice, bob := server.Dial(t, "alice"), server.Dial(t, "bob")
			alice.Send(`{"name":"Push","command":"Say","arguments":{"text":"hello","to":"` + bob.UUID + `"}}`)
			if frame := alice.Expect("Pushed"); frame["job"] != 1.0 {
				t.Errorf("alice < %v, want job 1", frame)
			}
			if frame := bob.Expect("Said"); frame["text"] != "hello" {
				t.Errorf("bob < %v, want hello", frame)
			}
			alice.Send(`{"name":"Push","command":"Say","arguments":{}}`)
			if frame := alice.Expect("Pushed"); frame["job"] != 2.0 {
				t.Errorf("alice < %v, want job 2: an empty table is no list", frame)
			}
			alice.Send(`{"name":"Push","command":"Say","arguments":[]}`)
			if frame := alice.Expect("MessageException"); frame["exception"] != "HandlerFailed" {
				t.Errorf("alice < %v, want HandlerFailed", frame)
			}
		})
	}
}

// A script gets the reason why a job could not be put, and continues.
func TestScriptPushWithoutQueue(t *testing.T) {
	server, _ := work(t, countingJobs, func(c *config.Config) { c.Queue.Address = testkit.ReservePort(t) })
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Push","command":"Say"}`)
	frame := alice.Expect("Pushed")
	if reason, _ := frame["reason"].(string); frame["job"] != nil || !strings.Contains(reason, "connection refused") {
		t.Errorf("alice < %v, want a reason and no job", frame)
	}
}

// Jobs work over the Unix socket of a beanstalkd as over a port, also after it was unavailable, without a warning.
func TestJobsThroughSocket(t *testing.T) {
	b := beanstalkd.Start(t, beanstalkd.Options{Socket: true})
	for _, address := range []string{b.Address, "unix://" + b.Address} {
		server, service := work(t, countingJobs, func(c *config.Config) { c.Queue.Address = address })
		alice, bob := server.Dial(t, "alice"), server.Dial(t, "bob")
		gone(t, service, putJob(t, service, "Say", `{"text":"from outside","to":"`+bob.UUID+`"}`))
		bob.Expect("Said")
		alice.Send(`{"name":"Push","command":"Say","arguments":{"text":"from within","to":"` + bob.UUID + `"}}`)
		alice.Expect("Pushed")
		bob.Expect("Said")
		b.Kill()
		ready(t, server, `\S.* since \S+`)
		b.Restart(t)
		ready(t, server, "connected")
		service, err := jobqueue.Open(server.Config.Queue)
		if err != nil {
			t.Fatal(err)
		}
		putJob(t, service, "Say", `{"text":"afterwards","to":"`+bob.UUID+`"}`)
		bob.Expect("Said")
		if err := service.Close(); err != nil {
			t.Fatal(err)
		}
		if log := server.Log(); strings.Contains(log, "not on this machine") {
			t.Errorf("%s: the log warns of another machine: %s", address, log)
		}
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// The jobs in a memory queue are lost when the server stops, and the log says how many there were.
func TestMemoryQueueEnds(t *testing.T) {
	for _, row := range []struct {
		puts []queue.PutRequest
		want string
	}{
		{nil, ""},
		{[]queue.PutRequest{
			{Queue: "default", Body: []byte(`{"job":"Count"}`), Delay: time.Hour},
			{Queue: "other", Body: []byte(`{"job":"Count"}`), Delay: time.Hour},
			{Queue: "other", Body: []byte(`{"job":"Count"}`)},
		}, `level=WARN msg="jobqueue: the jobs of the queue in memory are lost" jobs=3 delayed=2 buried=0`},
	} {
		server := newFolder(t, app("base.boot(self)")).serve(nil)
		for _, put := range row.puts {
			if _, err := server.Control.PutJob(t.Context(), put); err != nil {
				t.Fatal(err)
			}
		}
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
		if log := server.Log(); !strings.Contains(log, row.want) || row.want == "" && strings.Contains(log, "lost") {
			t.Errorf("the log of a server with %d jobs is %s\nwant %q", len(row.puts), log, row.want)
		}
	}
}

// Without a queue no jobs are taken, which is logged once, and none can be put; everything else works.
func TestNoQueue(t *testing.T) {
	server, _ := work(t, countingJobs, func(c *config.Config) { c.Queue.Driver = config.DriverOff })
	alice := server.Dial(t, "alice")
	alice.Send(`{"name":"Push","command":"Say"}`)
	const want = `queue.driver is "off": there is no queue`
	frame := alice.Expect("Pushed")
	if reason, _ := frame["reason"].(string); frame["job"] != nil || !strings.Contains(reason, want) {
		t.Errorf("alice < %v, want the reason %s and no job", frame, want)
	}
	if id, err := server.Control.PutJob(t.Context(), queue.PutRequest{Queue: "default"}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("PutJob = %d, %v, want %s", id, err, want)
	}
	if _, err := jobqueue.Open(server.Config.Queue); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Open = %v, want %s", err, want)
	}
	ready(t, server, "off")
	if got := server.Control.Jobs(); got != (jobqueue.Status{Condition: "off"}) {
		t.Errorf("Jobs = %+v, want only that it is off", got)
	}
	if _, err := server.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	logged(t, server, "no jobs are taken", 1)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(server.Log(), "no jobs are taken"); n != 1 {
		t.Errorf("the log says %d times that no jobs are taken, want once: %s", n, server.Log())
	}
}

// Jobs of scripts have the usual priority by default.
func TestDefaultPriority(t *testing.T) {
	if module.DefaultPriority != queue.DefaultPriority {
		t.Errorf("jobs of scripts have priority %d, want %d", module.DefaultPriority, queue.DefaultPriority)
	}
}

// Jobs whose handlers wait do not delay the jobs behind them.
func TestWaitingJobHoldsNone(t *testing.T) {
	server, service := work(t, countingJobs, nil)
	alice := server.Dial(t, "alice")
	putJob(t, service, "Wait", "")
	putJob(t, service, "Say", `{"text":"first","to":"`+alice.UUID+`"}`)
	alice.Expect("Said")
	alice.Send(`{"name":"Release"}`)
	alice.Expect("Waited")
}

// A job that can never succeed is buried at once, and the log says why.
func TestHopelessJobs(t *testing.T) {
	for _, row := range []struct{ body, want string }{
		{`{"job":"Nowhere"}`, `unknown command \"Nowhere\"`},
		{`nonsense`, "error=\"the job is not JSON"},
		{`{"job":"Once","data":{"item":"tea"}}`, `error="there is no tea"`},
		{`{"job":"Once","data":{"item":7}}`, `the arguments of command \"Once\": item: must be a string`},
		{`{"job":"Once"}`, `the arguments of command \"Once\": item: is missing`},
		{`{"job":"Cuont"}`, `unknown command \"Cuont\"; did you mean \"Count\"?`},
		{`{"job":"Say","data":[1,2]}`, "data must be an object, found a list"},
		{`{"name":"Count","item":"tea"}`, `for the command \"Count\", write`},
		{`{"job":"Say","data":{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}`, "the arguments cannot be read"},
	} {
		server, service := work(t, countingJobs, nil)
		id := putBody(t, service, row.body)
		buried(t, service, id)
		logged(t, server, row.want, 1)
		logged(t, server, "attempt=1", 1)
	}
}

// With state.sync = "job" the effect of a job is saved before the job is deleted.
func TestJobSavedBeforeDelete(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	_, service := work(t, countingJobs, func(c *config.Config) {
		c.State.File, c.State.Sync, c.State.Interval = file, config.SyncJob, config.Duration(time.Hour)
	})
	for range 3 {
		gone(t, service, putJob(t, service, "Count", ""))
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"total":3`) {
		t.Errorf("the file is %s, %v, want a total of 3 in it", text, err)
	}
}

// With state.sync = "job", while the state file cannot be written, as on a full disk, a job that has run waits in the queue. It
// is deleted by itself once a save succeeds, and does not run again. Other jobs run meanwhile.
func TestJobsWhileTheDiskIsFull(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	server, service := work(t, countingJobs, func(c *config.Config) {
		c.State.File, c.State.Sync, c.State.Interval = file, config.SyncJob, config.Duration(time.Hour)
	})
	obstacle := file + ".tmp" // a save is written there first
	if err := os.MkdirAll(filepath.Join(obstacle, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	alice := server.Dial(t, "alice")
	count := putJob(t, service, "Count", "")
	logged(t, server, "jobs wait for it", 1)
	say := putJob(t, service, "Say", `{"to":"`+alice.UUID+`","text":"hello"}`)
	alice.Expect("Said")
	for _, id := range []uint64{count, say} {
		if _, stats, err := service.PeekJob(t.Context(), "default", id); err != nil || stats.State != "reserved" {
			t.Errorf("job %d has run and cannot be saved: %+v, %v, want it to be reserved", id, stats, err)
		}
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	gone(t, service, count)
	gone(t, service, say)
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"total":1`) {
		t.Errorf("the file is %s, %v, want a total of 1 in it", text, err)
	}
	alice.ExpectNothing()
}

// With state.sync = "job" a job whose effect cannot be saved is buried, and the log says why.
func TestJobThatCannotBeSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	server, service := work(t, countingJobs, func(c *config.Config) {
		c.State.File, c.State.Sync, c.State.Interval = file, config.SyncJob, config.Duration(time.Hour)
	})
	buried(t, service, putJob(t, service, "Spoil", ""))
	buried(t, service, putJob(t, service, "Count", ""))
	logged(t, server, `the job ran, but the state cannot be saved`, 1)
	gone(t, service, putJob(t, service, "Mend", ""))
	gone(t, service, putJob(t, service, "Count", ""))
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"total":2`) {
		t.Errorf("the file is %s, %v, want a total of 2 in it", text, err)
	}
}

// A reload that changes how jobs are taken does not cancel a job in progress: it finishes in the scripts that began it.
func TestReloadKeepsJobInProgress(t *testing.T) {
	b := beanstalkd.Start(t, beanstalkd.Options{})
	boot := func(window string) string {
		return app(`
base.boot(self)
server.work({ window = ` + window + ` })
server.command("Wait", function() server.promise(function() end):await() end)
server.command("Free", function() server.broadcast("Freed") end)`)
	}
	f := newFolder(t, boot("4"))
	s := f.serve(func(c *config.Config) {
		c.Queue.Driver, c.Queue.Address = config.DriverBeanstalkd, b.Address
		c.Stop.Drain = config.Duration(10 * time.Millisecond)
	})
	alice := s.Dial(t, "alice")
	service, err := jobqueue.Open(s.Config.Queue)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Close() })
	id := putJob(t, service, "Wait", "")
	putJob(t, service, "Free", "") // it begins after the first has waited for a while
	alice.Expect("Freed")
	f.write("app.lua", boot("5"))
	if _, err := s.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	putJob(t, service, "Free", "")
	alice.Expect("Freed")
	if _, stats, err := service.PeekJob(t.Context(), "default", id); err != nil || stats.State != "reserved" || stats.Reserves != 1 {
		t.Errorf("PeekJob(%d) after the reload = %+v, %v, want it reserved for the first time", id, stats, err)
	}
}
