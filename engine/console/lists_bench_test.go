package console_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// What clients notice of lists of many connections: the median time of an answer to a client, by itself and while an operator asks for the
// first page, or for a search that looks at all connections, and the median time of a list.
func BenchmarkLists(b *testing.B) {
	server := enginetest.Start(b, func(c *config.Config) {
		c.Server.MaxConnections, c.Server.Key, c.Roster.Mode, c.Limits.MessagesPerSecond = 0, key, config.RosterOff, 1_000_000
		c.Limits.MaxBadMessages = 1_000_000
	})
	n := testkit.Scale(1000, 9000)
	for i := range n {
		server.Dial(b, fmt.Sprint(i))
	}
	alice := server.Dial(b, "alice")
	b.ReportMetric(float64(n), "connections")
	for b.Loop() {
		turns := 0
		b.ReportMetric(answers(alice, func() bool { turns++; return turns > 1000 }), "quiet-µs")
		for name, path := range map[string]string{"page": "api/connections", "search": "api/connections?search=nobody"} {
			var done atomic.Bool
			var lists []float64
			var operator sync.WaitGroup
			operator.Go(func() {
				defer done.Store(true)
				for range 20 {
					began := time.Now()
					read(b, server.Status.Console+path)
					lists = append(lists, float64(time.Since(began).Microseconds()))
				}
			})
			b.ReportMetric(answers(alice, done.Load), "during-"+name+"-µs")
			operator.Wait()
			b.ReportMetric(testkit.Median(lists), name+"-µs")
		}
	}
}

// answers has a client ask for something until done returns true, and returns the median time of an answer, in microseconds.
func answers(c *enginetest.Client, done func() bool) float64 {
	var all []float64
	for !done() {
		began := time.Now()
		c.Send(`{"name":"Nobody knows this"}`)
		await(c, "MessageException")
		all = append(all, float64(time.Since(began).Microseconds()))
	}
	return testkit.Median(all)
}

// read reads an answer of the console.
func read(b *testing.B, url string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Error(err)
		return
	}
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
}
