package metrics

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// some is a server that has seen something of everything.
func some() Snapshot {
	one := func(names ...string) map[string]uint64 {
		counts := map[string]uint64{}
		for _, name := range names {
			counts[name] = 1
		}
		return counts
	}
	return Snapshot{
		Version: "1.2.3", Revision: "d9ff59e93285",
		Connections: 3, Opened: 5, Closed: one("1000", "4xxx"), Refused: one("full"), SendQueueBytes: 7,
		AuthFailures: one("client", "program"),
		QueuedTurns:  2, SlowTurns: 1, WaitingHandlers: 4,
		Generation: 2, Reloads: one("done", "failed"), ReloadPause: 1500 * time.Microsecond,
		JobsBegun: 9, JobOutcomes: map[JobOutcome]uint64{{Outcome: "done"}: 8, {"buried", "attempts"}: 1}, JobsReserved: 6,
		QueueWanted: true, QueueConnected: true, QueueLost: 1,
		Saves: one("done", "failed"), UnsaveableTables: 1,
	}
}

func newRegistry() *Registry { return New(some) }

// expect fails unless a scrape has exactly these series of the metrics that are named.
func expect(t *testing.T, r *Registry, want string, names ...string) {
	t.Helper()
	server := httptest.NewServer(r)
	defer server.Close()
	if err := testutil.ScrapeAndCompare(server.URL, strings.NewReader(want), names...); err != nil {
		t.Errorf("a scrape of %s: %v", names, err)
	}
}

// scrape returns the text of all metrics.
func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("GET /metrics = %d %s, want 200", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// All names follow the conventions of Prometheus, and each metric has a unit and a help text.
func TestNames(t *testing.T) {
	r := newRegistry()
	g := r.Generation(1)
	g.Received("Click").Add()
	g.Handler(Command, "AddPrize").End(0, false)
	r.Register(g)
	var page bytes.Buffer
	for _, f := range r.families() {
		f.write(&page)
	}
	problems, err := promlint.New(&page).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("Lint = %v, %v, want no problem", problems, err)
	}
}

// The figures of a snapshot are written unchanged.
func TestReading(t *testing.T) {
	expect(t, newRegistry(), `
# HELP perigee_connections_closed_total Connections that were closed, by close code: 1006 is one that just ended, 3xxx and 4xxx are other codes of applications.
# TYPE perigee_connections_closed_total counter
perigee_connections_closed_total{code="1000"} 1
perigee_connections_closed_total{code="4xxx"} 1
# HELP perigee_jobs_settled_total Jobs by what became of a run, and of those that are buried why.
# TYPE perigee_jobs_settled_total counter
perigee_jobs_settled_total{outcome="buried",reason="attempts"} 1
perigee_jobs_settled_total{outcome="done",reason=""} 8
# HELP perigee_queue_connected 1 while jobs are taken and the queue service answers, else 0.
# TYPE perigee_queue_connected gauge
perigee_queue_connected 1
# HELP perigee_reload_pause_seconds For how long the last reload kept everything else from running.
# TYPE perigee_reload_pause_seconds gauge
perigee_reload_pause_seconds 0.0015
`, "perigee_connections_closed_total", "perigee_jobs_settled_total", "perigee_queue_connected", "perigee_reload_pause_seconds")
}

// A generation is read from Show to Hide, also while another is; then nothing of it is left.
func TestGenerations(t *testing.T) {
	r := newRegistry()
	const name = "perigee_messages_received_total"
	const head = `
# HELP perigee_messages_received_total Messages from clients by name, refused ones included; unregistered ones together, and those that cannot be read.
# TYPE perigee_messages_received_total counter
`
	first, second := r.Generation(1), r.Generation(2)
	first.Received("Click").Add()
	second.Received("Click")
	second.Unknown().Add()
	second.Received("Click\xff").Add() // a name is any string of bytes
	r.Register(first)
	expect(t, r, head+`perigee_messages_received_total{generation="1",name="Click"} 1
`, name)
	r.Register(second)
	after := `perigee_messages_received_total{generation="2",name="(unknown)"} 1
perigee_messages_received_total{generation="2",name="Click"} 0
perigee_messages_received_total{generation="2",name="Click` + "\uFFFD" + `"} 1
`
	expect(t, r, head+`perigee_messages_received_total{generation="1",name="Click"} 1
`+after, name)
	r.Unregister(first)
	expect(t, r, head+after, name)
	for generation := 3; generation < 1003; generation++ {
		g := r.Generation(generation)
		g.Received("Click").Add()
		r.Register(g)
		r.Unregister(g)
	}
	if n := strings.Count(scrape(t, r), "\n"+name+"{"); n != 3 {
		t.Errorf("after 1,000 generations there are %d series of %s, want the 3 of the one that is left", n, name)
	}
}

// histogramText is the text of a histogram for the runs of a handler: how many took no longer than each bucket, and their time
// in seconds.
func histogramText(kind, name string, counts []int, sum string) string {
	labels := fmt.Sprintf(`{generation="7",kind=%q,name=%q`, kind, name)
	var text strings.Builder
	for i, bound := range []string{"0.0001", "0.001", "0.01", "0.05", "0.25", "1", "10", "+Inf"} {
		fmt.Fprintf(&text, "perigee_handler_duration_seconds_bucket%s,le=%q} %d\n", labels, bound, counts[i])
	}
	return text.String() + fmt.Sprintf("perigee_handler_duration_seconds_sum%s} %s\nperigee_handler_duration_seconds_count%s} %d\n",
		labels, sum, labels, counts[len(counts)-1])
}

// Runs have their time in the buckets and their errors beside it; a handler that has never run has zeros.
func TestRuns(t *testing.T) {
	r := newRegistry()
	synctest.Test(t, func(*testing.T) {
		g := r.Generation(7)
		g.Handler(Hook, "open")
		for _, takes := range []time.Duration{50 * time.Microsecond, 500 * time.Microsecond, 100 * time.Millisecond, time.Minute} {
			runs := g.Handler(Message, "Click")
			start := runs.Start()
			time.Sleep(takes)
			runs.End(start, takes < time.Second)
		}
		r.Register(g)
	})
	expect(t, r, `
# HELP perigee_handler_duration_seconds Time from begin to end of each run of a handler, waiting included.
# TYPE perigee_handler_duration_seconds histogram
`+histogramText("hook", "open", make([]int, 8), "0")+histogramText("message", "Click", []int{1, 2, 2, 2, 3, 3, 3, 4}, "60.10055")+`
# HELP perigee_handler_errors_total Runs of handlers that ended with an error.
# TYPE perigee_handler_errors_total counter
perigee_handler_errors_total{generation="7",kind="hook",name="open"} 0
perigee_handler_errors_total{generation="7",kind="message",name="Click"} 1
`, "perigee_handler_duration_seconds", "perigee_handler_errors_total")
}

// Counting allocates nothing, with or without a registry.
func TestCountingAllocatesNothing(t *testing.T) {
	counted := newRegistry().Generation(1)
	for name, g := range map[string]*Generation{"a generation": counted, "nil": nil} {
		received, runs := g.Received("Click"), g.Handler(Message, "Click")
		if n := testing.AllocsPerRun(100, func() {
			received.Add()
			runs.End(runs.Start(), false)
		}); n != 0 {
			t.Errorf("to count a message of %s allocates %v times, want 0", name, n)
		}
	}
}

// Beside the server's own metrics there are those of the runtime and of the process.
func TestRuntimeAndProcess(t *testing.T) {
	text := scrape(t, newRegistry())
	for _, name := range []string{
		"go_goroutines", "go_memstats_heap_alloc_bytes", "go_memstats_sys_bytes", "go_gc_duration_seconds_count", "go_threads",
		"process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds", "process_max_fds",
	} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("GET /metrics has no %s", name)
		}
	}
}

// The names of scripts may contain any bytes: a reader gets them back, or U+FFFD if they are not UTF-8, and each series once.
func TestNamesOfAnyBytes(t *testing.T) {
	r := newRegistry()
	g := r.Generation(1)
	for _, name := range []string{"a\"b", "a\\nb", "a\nb", "é", "x\xff", "x\xfe"} {
		g.Received(name).Add()
	}
	r.Register(g)
	const name = "perigee_messages_received_total"
	expect(t, r, `
# HELP perigee_messages_received_total Messages from clients by name, refused ones included; unregistered ones together, and those that cannot be read.
# TYPE perigee_messages_received_total counter
perigee_messages_received_total{generation="1",name="a\nb"} 1
perigee_messages_received_total{generation="1",name="a\"b"} 1
perigee_messages_received_total{generation="1",name="a\\nb"} 1
perigee_messages_received_total{generation="1",name="x`+"\uFFFD"+`"} 2
perigee_messages_received_total{generation="1",name="é"} 1
`, name)
}

// Only so many requests are answered at the same time; the next one is refused at once.
func TestTooManyReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan Snapshot)
		r := New(func() Snapshot { return <-read })
		var readers sync.WaitGroup
		for range maxReaders {
			readers.Go(func() { scrape(t, r) })
		}
		synctest.Wait()
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if answer.Code != http.StatusServiceUnavailable {
			t.Errorf("GET /metrics beside %d others = %d, want 503", maxReaders, answer.Code)
		}
		close(read)
		readers.Wait()
		scrape(t, r)
	})
}
