package redis

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	server "perigee/engine/enginetest/redis"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// payload is a job as Laravel puts it.
func payload(id string, attempts int) string {
	return fmt.Sprintf(`{"uuid":"u-1","displayName":"AddPrize","job":"AddPrize","maxTries":null,"data":{"list":[],"attempts":9,"text":"\"attempts\":5}"},`+
		`"id":%q,"attempts":%d}`, id, attempts)
}

const base = "app_database_queues:default"

// open opens a source of a new driver.
func open(tb testing.TB, s Settings) queue.Source {
	tb.Helper()
	source, err := New(s, slog.New(slog.DiscardHandler)).Open(tb.Context(), "default")
	if err != nil {
		tb.Fatalf("Open = %v, want nil", err)
	}
	tb.Cleanup(source.Close)
	return source
}

// reserve reserves the next job without waiting.
func reserve(tb testing.TB, s queue.Source) (queue.Job, error) {
	tb.Helper()
	type answer struct {
		job queue.Job
		err error
	}
	answers := make(chan answer, 1)
	s.Reserve(0, func(j queue.Job, err error) { answers <- answer{j, err} })
	s.Flush()
	got := testkit.Receive(tb, answers, "the answer to Reserve")
	return got.job, got.err
}

// command runs a method of a source and fails the test if it fails.
func command(tb testing.TB, s queue.Source, method func(answer func(error))) {
	tb.Helper()
	answers := make(chan error, 1)
	method(func(err error) { answers <- err })
	s.Flush()
	if err := testkit.Receive(tb, answers, "an answer"); err != nil {
		tb.Fatalf("a command = %v, want nil", err)
	}
}

// A job of Laravel goes through the keys of Laravel, and nothing but the number of its attempts changes: it is reserved, released,
// reserved again, buried with the reason, kicked, given back and deleted.
func TestKeysOfLaravel(t *testing.T) {
	t.Parallel()
	s := server.Start(t, server.Options{})
	do(t, s, "RPUSH", base, payload("one", 0))
	do(t, s, "RPUSH", base+":notify", 1)
	source := open(t, settings(s))
	expect := func(when, ready, delayed, reserved, buried string) {
		t.Helper()
		for key, want := range map[string]string{"": ready, ":delayed": delayed, ":reserved": reserved, ":buried": buried} {
			read := "ZRANGE"
			if key == "" {
				read = "LRANGE"
			}
			if got := strings.Trim(do(t, s, read, base+key, 0, -1), "[]"); got != want {
				t.Errorf("%s: %s%s has %s, want %s", when, base, key, got, want)
			}
		}
	}
	j, err := reserve(t, source)
	if err != nil || string(j.Body) != payload("one", 1) || !j.Stats.New || j.Stats.Releases != 0 {
		t.Fatalf("Reserve = %s, %+v, %v, want the job as new", j.Body, j.Stats, err)
	}
	expect("reserved", "", "", payload("one", 1), "")
	due, err := redis.Float64(s.Do("ZSCORE", base+":reserved", payload("one", 1)))
	if left := time.Until(time.UnixMilli(int64(1000 * due))); err != nil || left > time.Minute || left < 0 {
		t.Errorf("the job is reserved for %v, %v, want up to a minute", left, err)
	}
	if got := do(t, s, "LLEN", base+":notify"); got != "0" {
		t.Errorf("%s notifications are left, want none", got)
	}
	command(t, source, func(answer func(error)) { source.Release(j.ID, queue.DefaultPriority, 0, answer) })
	expect("released", "", payload("one", 1), "", "")
	again, err := reserve(t, source)
	if err != nil || again.ID != j.ID || again.Stats.New || again.Stats.Releases != 1 {
		t.Fatalf("Reserve = %d, %+v, %v, want the job %d, released once", again.ID, again.Stats, err, j.ID)
	}
	command(t, source, func(answer func(error)) { source.Bury(j.ID, queue.DefaultPriority, "it is broken", answer) })
	expect("buried", "", "", "", payload("one", 2))
	if got := do(t, s, "HGETALL", base+":buried:reasons"); got != "[one it is broken]" {
		t.Errorf("the reasons are %s, want that of the job", got)
	}
	client := NewClient(settings(s))
	defer client.Close()
	if n, err := client.Kick(t.Context(), "default", 1); n != 1 || err != nil {
		t.Errorf("Kick = %d, %v, want 1", n, err)
	}
	expect("kicked", payload("one", 2), "", "", "")
	if _, err := reserve(t, source); err != nil {
		t.Errorf("Reserve = %v, want the job", err)
	}
	command(t, source, func(answer func(error)) { source.GiveBack(j.ID, queue.DefaultPriority, answer) })
	expect("given back", payload("one", 2), "", "", "")
	if _, err := reserve(t, source); err != nil {
		t.Errorf("Reserve = %v, want the job", err)
	}
	command(t, source, func(answer func(error)) { source.Delete(j.ID, answer) })
	if got := do(t, s, "KEYS", "*"); got != "[]" {
		t.Errorf("at the end there are the keys %s, want none", got)
	}
}

// Jobs that look the same are different jobs, whether they have an ID or not.
func TestSameJobs(t *testing.T) {
	t.Parallel()
	s := server.Start(t, server.Options{})
	bodies := []string{payload("one", 0), payload("one", 0), "same", "same", `{"job":"Same"}`, `{"job":"Same"}`}
	for _, body := range bodies {
		do(t, s, "RPUSH", base, body)
	}
	source := open(t, settings(s))
	ids := map[uint64]bool{}
	for range bodies {
		j, err := reserve(t, source)
		if err != nil || !j.Stats.New {
			t.Fatalf("Reserve = %+v, %v, want a new job", j, err)
		}
		ids[j.ID] = true
	}
	if got := do(t, s, "ZCARD", base+":reserved"); len(ids) != len(bodies) || got != "6" {
		t.Errorf("%d numbers, and %s reserved, want %d of both", len(ids), got, len(bodies))
	}
	for id := range ids {
		command(t, source, func(answer func(error)) { source.Delete(id, answer) })
	}
	if got := do(t, s, "KEYS", "*"); got != "[]" {
		t.Errorf("at the end there are the keys %s, want none", got)
	}
}

// A job whose time is over is counted as crashed, wherever its members stand; one that is deleted then is gone.
func TestTimeIsOver(t *testing.T) {
	t.Parallel()
	s := server.Start(t, server.Options{})
	soon := settings(s)
	soon.TTR = time.Millisecond
	others := `{"id": "two", "data": {"id": 3}, "attempts" : 4, "tags": []}`
	for _, body := range []string{payload("one", 0), others, "plain"} {
		do(t, s, "RPUSH", base, body)
	}
	source := open(t, soon)
	var last []queue.Job
	for attempt := 1; attempt <= 3; attempt++ {
		last = nil
		for range 3 {
			var j queue.Job
			testkit.WaitFor(t, "the job again", func() bool {
				var err error
				j, err = reserve(t, source)
				return err == nil
			})
			last = append(last, j)
			reserves, releases := attempt, 0
			if strings.Contains(string(j.Body), "two") {
				reserves, releases = attempt+4, 4
			}
			if j.Stats.Reserves != reserves || j.Stats.Releases != releases {
				t.Errorf("attempt %d: Stats = %+v of %s, want %d reserves and %d releases", attempt, *j.Stats, j.Body, reserves, releases)
			}
		}
	}
	want := strings.Replace(strings.Replace(others, "4", "7", 1), "[]}", `[],"crashes":2}`, 1)
	if got := string(last[1].Body); got != want && string(last[0].Body) != want && string(last[2].Body) != want {
		t.Errorf("the second job became %s, want %s", got, want)
	}
	testkit.WaitFor(t, "one of them to be reserved again, and others to be ready", func() bool {
		_, err := reserve(t, source)
		return err == nil
	})
	for _, j := range last {
		source.Delete(j.ID, func(error) {})
	}
	source.Flush()
	testkit.WaitFor(t, "the jobs to be deleted", func() bool { return do(t, s, "KEYS", "*") == "[]" })
}

// The text of a job says what it is, in all forms.
func TestReadJob(t *testing.T) {
	for member, want := range map[string]job{
		payload("a-1", 3): {id: "a-1", attempts: 3},
		strings.TrimSuffix(payload("a-1", 3), "}") + `,"crashes":2}`: {id: "a-1", attempts: 3, crashes: 2},
		`{"attempts": 2, "id": "x", "crashes": 1, "n": []}`:          {id: "x", attempts: 2, crashes: 1},
		"perigee:ABC:4:2:some:\x00body":                              {id: "ABC", attempts: 4, crashes: 2, body: "some:\x00body"},
		"perigee:odd":                                                {id: "perigee:odd"},
		"plain":                                                      {id: "plain"},
		"":                                                           {},
	} {
		want.member = member
		if want.body == "" {
			want.body = member
		}
		if got := readJob(member); got != want {
			t.Errorf("readJob(%q) = %+v, want %+v", member, got, want)
		}
	}
}
