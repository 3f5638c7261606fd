package metrics

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// some is a server that has seen something of everything.
func some() Reading {
	one := func(names ...string) map[string]uint64 {
		counts := map[string]uint64{}
		for _, name := range names {
			counts[name] = 1
		}
		return counts
	}
	return Reading{
		Connections: 3, Opened: 5, Closed: one("1000", "4xxx"), Refused: one("full"), SendQueues: 7,
		AuthFailures: one("client", "program"),
		LoopQueued:   2, LoopSlow: 1, Waiting: 4,
		Generation: 2, Reloads: one("done", "failed"), Pause: 1500 * time.Microsecond,
		JobsBegun: 9, JobsSettled: map[Settled]uint64{{Outcome: "done"}: 8, {"buried", "attempts"}: 1}, JobsInHand: 6,
		QueueWanted: true, QueueConnected: true, QueueLost: 1,
		Saves: one("done", "failed"), Unsaveable: 1,
	}
}

func newRegistry() *Registry { return New(some, slog.New(slog.DiscardHandler)) }

// expect fails unless a scrape has exactly these series of the metrics that are named.
func expect(t *testing.T, r *Registry, want string, names ...string) {
	t.Helper()
	server := httptest.NewServer(r)
	defer server.Close()
	if err := testutil.ScrapeAndCompare(server.URL, strings.NewReader(want), names...); err != nil {
		t.Errorf("a scrape of %s: %v", names, err)
	}
}

// All names are as Prometheus advises, and each has a unit and says what it is.
func TestNames(t *testing.T) {
	r := newRegistry()
	g := r.Generation(1)
	g.Received("Click").Add()
	g.Runs(Command, "AddPrize").Ended(0, false)
	r.Show(g)
	problems, err := testutil.CollectAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("CollectAndLint = %v, %v, want no problem", problems, err)
	}
}

// What the parts say of themselves is told as it is.
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
# HELP perigee_messages_received_total Messages from clients by name, refused ones included; those that nobody registered together, and those that cannot be read.
# TYPE perigee_messages_received_total counter
`
	first, second := r.Generation(1), r.Generation(2)
	first.Received("Click").Add()
	second.Received("Click")
	second.Unknown().Add()
	second.Received("Click\xff").Add() // a name is any string of bytes
	r.Show(first)
	expect(t, r, head+`perigee_messages_received_total{generation="1",name="Click"} 1
`, name)
	r.Show(second)
	after := `perigee_messages_received_total{generation="2",name="(unknown)"} 1
perigee_messages_received_total{generation="2",name="Click"} 0
perigee_messages_received_total{generation="2",name="Click` + "\uFFFD" + `"} 1
`
	expect(t, r, head+`perigee_messages_received_total{generation="1",name="Click"} 1
`+after, name)
	r.Hide(first)
	expect(t, r, head+after, name)
	for generation := 3; generation < 1003; generation++ {
		g := r.Generation(generation)
		g.Received("Click").Add()
		r.Show(g)
		r.Hide(g)
	}
	if n := testutil.CollectAndCount(r, name); n != 3 {
		t.Errorf("after 1,000 generations there are %d series of %s, want the 3 of the one that is left", n, name)
	}
}

// histogram is what a scrape has of the runs of a handler: how many took no longer than each bucket, and their time in seconds.
func histogram(kind, name string, counts []int, sum string) string {
	labels := fmt.Sprintf(`{generation="7",kind=%q,name=%q`, kind, name)
	var text strings.Builder
	for i, bound := range []string{"0.0001", "0.001", "0.01", "0.05", "0.25", "1", "10", "+Inf"} {
		fmt.Fprintf(&text, "perigee_handler_duration_seconds_bucket%s,le=%q} %d\n", labels, bound, counts[i])
	}
	return text.String() + fmt.Sprintf("perigee_handler_duration_seconds_sum%s} %s\nperigee_handler_duration_seconds_count%s} %d\n",
		labels, sum, labels, counts[len(counts)-1])
}

// Runs have their time in the buckets and their errors beside it; a handler that has never run stands there with zeros.
func TestRuns(t *testing.T) {
	r := newRegistry()
	synctest.Test(t, func(*testing.T) {
		g := r.Generation(7)
		g.Runs(Hook, "open")
		for _, takes := range []time.Duration{50 * time.Microsecond, 500 * time.Microsecond, 100 * time.Millisecond, time.Minute} {
			runs := g.Runs(Message, "Click")
			began := runs.Began()
			time.Sleep(takes)
			runs.Ended(began, takes < time.Second)
		}
		r.Show(g)
	})
	expect(t, r, `
# HELP perigee_handler_duration_seconds Time from begin to end of each run of a handler, waiting included.
# TYPE perigee_handler_duration_seconds histogram
`+histogram("hook", "open", make([]int, 8), "0")+histogram("message", "Click", []int{1, 2, 2, 2, 3, 3, 3, 4}, "60.10055")+`
# HELP perigee_handler_errors_total Runs of handlers that ended with an error.
# TYPE perigee_handler_errors_total counter
perigee_handler_errors_total{generation="7",kind="hook",name="open"} 0
perigee_handler_errors_total{generation="7",kind="message",name="Click"} 1
`, "perigee_handler_duration_seconds", "perigee_handler_errors_total")
}

// Neither to count nor to have nobody who counts makes garbage.
func TestCountingAllocatesNothing(t *testing.T) {
	counted := newRegistry().Generation(1)
	for name, g := range map[string]*Generation{"a generation": counted, "nil": nil} {
		received, runs := g.Received("Click"), g.Runs(Message, "Click")
		if n := testing.AllocsPerRun(100, func() {
			received.Add()
			runs.Ended(runs.Began(), false)
		}); n != 0 {
			t.Errorf("to count a message of %s allocates %v times, want 0", name, n)
		}
	}
}
