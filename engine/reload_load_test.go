package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/gorilla/websocket"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/jobqueue"
	"perigee/engine/queue"
	"perigee/engine/script"
	"perigee/engine/testkit"
)

// numbered is a manager that counts the messages of each client, and fails if it is called before its boot has ended. Its number
// distinguishes the versions.
const numbered = `
local base = require("manager")
local server = require("server")
local app = base:extend()
local ready, version = false, VERSION

function app:boot()
  base.boot(self)
  local all = server.state("all", { n = 0 })
  server.message("Count", { protection = "none" }, function(client, message)
    assert(ready, "called while it boots")
    local seen = (client.seen or 0) + 1
    client.seen = seen
    all.n = all.n + 1
    if message.n % 7 == 0 then
      server.sleep(1)
      assert(version)
    end
    client:send("Counted", { n = message.n, seen = seen })
  end)
  local jobs = server.state("jobs", { n = 0, last = 0, wrong = 0, missing = {} })
  server.command("Job", function(arguments)
    assert(ready, "called while it boots")
    jobs.n = jobs.n + 1
    if arguments.n <= jobs.last then
      jobs.wrong = jobs.wrong + 1
    end
    for n = jobs.last + 1, arguments.n - 1 do
      jobs.missing[#jobs.missing + 1] = n
    end
    jobs.last = math.max(jobs.last, arguments.n)
    if arguments.n % 7 == 0 then
      server.sleep(1)
    end
  end)
  server.message("Jobs", { protection = "none" }, function(client)
    client:send("Jobs", jobs)
  end)
  if version % 3 == 0 then
    server.sleep(2)
  end
  ready = true
end

function app:roster()
  return nil
end

return app
`

// While the scripts are reloaded again and again, at times with broken scripts, all numbered messages of clients get their
// replies and all numbered jobs are done: nothing is lost, duplicated or out of order, no connection ends, and no handler of scripts
// that have not booted runs.
func TestReloadUnderLoad(t *testing.T) {
	clients, reloads, brokenEvery := 1000, testkit.Scale(100, 200), testkit.Scale(10, 3)
	if raceEnabled || testing.Short() {
		clients, reloads = 100, 50
	}
	version := func(n int) string { return strings.Replace(numbered, "VERSION", fmt.Sprint(n), 1) }
	f := newFolder(t, version(1))
	b := beanstalkd.Start(t, beanstalkd.Options{})
	s := f.serve(func(c *config.Config) {
		c.Queue.Driver, c.Queue.Address = config.DriverBeanstalkd, b.Address
		c.Server.MaxConnections = 0
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1_000_000, 1_000_000
		c.Lua.TurnTimeout, c.Lua.BootTimeout = config.Duration(time.Minute), config.Duration(time.Minute) // the test is not about them
	})
	ctx, cancel := context.WithTimeout(t.Context(), 4*testkit.Timeout)
	defer cancel()
	var sent atomic.Int64
	var stop atomic.Bool
	errs := make(chan error, clients+1)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			n, err := count(ctx, s.Socket, &stop)
			sent.Add(int64(n))
			if err != nil {
				errs <- fmt.Errorf("client %d: %w", i, err)
			}
		})
	}
	var jobs int
	var unsure map[int]bool
	group.Go(func() {
		var err error
		if jobs, unsure, err = putNumbered(ctx, b.Address, &stop); err != nil {
			errs <- fmt.Errorf("job %d: %w", jobs+1, err)
		}
	})
	generation := 1
	var pause time.Duration // the longest
	for i := range reloads {
		broken := i%brokenEvery == brokenEvery-1
		text := version(i + 2)
		if broken {
			text = []string{
				"local = 1",
				strings.Replace(text, "ready = true", "error('broken')", 1),
				strings.Replace(text, `"Jobs", { protection = "none" }`, `"Jobs", {}`, 1),
			}[i/brokenEvery%3]
		}
		f.write("app.lua", text)
		r, err := s.Control.Reload(ctx)
		if !broken {
			generation++
			pause = max(pause, r.Pause)
		}
		if broken != (err != nil) || r.Generation != generation {
			t.Errorf("reload %d, broken %v: generation %d, %v, want generation %d", i, broken, r.Generation, err, generation)
		}
	}
	stop.Store(true)
	group.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	b.WaitEmpty(t)
	alice := s.Dial(t, "alice")
	alice.Send(`{"name":"Jobs"}`)
	done := alice.Expect("Jobs")
	if done["wrong"] != 0.0 {
		t.Errorf("%v of %v jobs were done after a later one or twice, want all in order", done["wrong"], done["n"])
	}
	missing, _ := done["missing"].([]any)
	for n := int(done["last"].(float64)) + 1; n <= jobs; n++ {
		missing = append(missing, float64(n))
	}
	for _, n := range missing {
		if n, isNumber := n.(float64); !isNumber || !unsure[int(n)] {
			t.Errorf("job %v of %d was not done, want all done but those that may not have been put: %v", n, jobs, unsure)
		}
	}
	testkit.Measured(t, "%d clients, %d reloads of which %d with broken scripts, %d messages, %d jobs: all done once and in order; the longest pause %v",
		clients, reloads, reloads/brokenEvery, sent.Load(), jobs, pause.Round(100*time.Microsecond))
	if log := s.Log(); strings.Contains(log, "script failed") {
		t.Error("a handler failed, want none; the server's log follows")
	}
}

// putNumbered puts numbered jobs until stop is true. It returns how many, and the numbers of those of which it is not known
// whether they were put: it does not put them again.
func putNumbered(ctx context.Context, address string, stop *atomic.Bool) (n int, unsure map[int]bool, err error) {
	service, err := jobqueue.Open(config.Queue{Driver: config.DriverBeanstalkd, Address: address})
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	unsure = map[int]bool{}
	for ; !stop.Load(); n++ {
		body := fmt.Appendf(nil, `{"job":"Job","data":{"n":%d}}`, n+1)
		_, err := service.Put(ctx, queue.PutRequest{Queue: "default", Body: body, Priority: queue.DefaultPriority})
		switch {
		case err == nil:
		case errors.Is(err, queue.ErrUnsure):
			unsure[n+1] = true
		case ctx.Err() != nil:
			return n, unsure, err
		default: // nothing was put: the service did not answer in time
			n--
			time.Sleep(time.Millisecond)
		}
	}
	return n, unsure, nil
}

// count sends numbered messages, some ahead of the replies, until stop is closed, and returns how many got the right reply.
func count(ctx context.Context, url string, stop *atomic.Bool) (answered int, err error) {
	socket, response, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, response.Body.Close(), socket.Close()) }()
	const ahead = 3
	late := make(map[int]bool) // every seventh reply comes later
	sent := 0
	for answered < sent || !stop.Load() {
		for ; sent < answered+ahead && !stop.Load(); sent++ {
			if err := socket.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"name":"Count","n":%d}`, sent+1)); err != nil {
				return answered, err
			}
		}
		if err := socket.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
			return answered, err
		}
		_, text, err := socket.ReadMessage()
		if err != nil {
			return answered, err
		}
		var frame struct {
			Name    string
			N, Seen int
		}
		if err := json.Unmarshal(text, &frame); err != nil {
			return answered, err
		}
		if frame.Name == "ConnectionEstablished" || enginetest.ComesByClock(frame.Name) {
			continue
		}
		if frame.Name != "Counted" || frame.Seen != frame.N || late[frame.N] {
			return answered, fmt.Errorf("the answer after %d of %d is %s", answered, sent, text)
		}
		late[frame.N] = true
		answered++
	}
	return answered, nil
}

// A thousand reloads leave no more memory and goroutines behind than one.
func TestReloadsLeaveNothing(t *testing.T) {
	reloads := 1000
	if raceEnabled || testing.Short() {
		reloads = 200
	}
	f := newFolder(t, app(`
local kept = {}
for i = 1, 1000 do kept[i] = { i } end
server.command("Tick", function(arguments) kept[1] = arguments end)
server.every(3600000, "Tick", { 1 })
server.every(3600000, function() return kept end)
local state = server.state("state", {})
server.message("Work", { protection = "none" }, function(client, message)
  client.kept = { message.n }
  state.last = client
  server.delay(3600000, "Tick", { client, function() return kept end })
  server.async(function() server.sleep(20) return kept end)()
  server.after(5, function() kept[2] = message end)
  client:send("Worked")
end)`))
	s := f.serve(func(c *config.Config) {
		c.Limits.MessagesPerSecond, c.Limits.MessagesBurst = 1_000_000, 1_000_000
		c.Lua.TurnTimeout, c.Lua.BootTimeout = config.Duration(time.Minute), config.Duration(time.Minute) // the test is not about them
	})
	alice, idle := s.Dial(t, "alice"), s.Dial(t, "idle")
	var programs []weak.Pointer[script.Program]
	reload := func(times int) {
		for range times {
			alice.Send(`{"name":"Work","n":1}`)
			alice.Expect("Worked")
			if _, err := s.Control.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			programs = append(programs, weak.Make(s.Control.Program()))
		}
	}
	rest := func() (heap uint64, goroutines int) {
		for range 5 { // threads, pools and finalizers take some collections
			runtime.GC()
			time.Sleep(20 * time.Millisecond)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	reload(20)
	heap, goroutines := rest()
	reload(reloads)
	idle.ExpectNothing()
	after, left := rest()
	alive := 0
	for _, p := range programs {
		if p.Value() != nil {
			alive++
		}
	}
	t.Logf("heap %d KiB after 20 reloads, %d KiB after %d more, of which %d are alive; goroutines %d and %d",
		heap>>10, after>>10, reloads, alive, goroutines, left)
	const mostAlive, mostHeap = 20, 16 << 20 // bytes; stacks may hold on to what ran on them last
	if alive > mostAlive {
		t.Errorf("%d of %d generations are still in memory, want %d at most", alive, reloads, mostAlive)
	}
	if after > heap+mostHeap {
		t.Errorf("the heap grew from %d to %d bytes in %d reloads, want %d at most", heap, after, reloads, mostHeap)
	}
	if left > goroutines+20 {
		t.Errorf("goroutines: %d, then %d, want no more", goroutines, left)
	}
}
