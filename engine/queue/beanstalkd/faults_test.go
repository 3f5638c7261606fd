package beanstalkd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/queue"
	"perigee/engine/testkit"
)

// runCounter is a handler that counts how often each command ran.
type runCounter struct {
	mu   sync.Mutex
	runs map[string]int // guarded by mu
	last []string       // guarded by mu; in the order in which they ran
}

func (t *runCounter) Job(_ context.Context, j queue.Job, done func(error)) {
	t.mu.Lock()
	if t.runs == nil {
		t.runs = map[string]int{}
	}
	t.runs[j.Command]++
	t.last = append(t.last, j.Command)
	t.mu.Unlock()
	done(nil)
}

// ran returns how many commands ran, and how many of those more than once.
func (t *runCounter) ran() (all, twice int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.runs {
		if n > 1 {
			twice++
		}
	}
	return len(t.runs), twice
}

// produce puts numbered jobs until stop is closed, and returns the commands of those that were confirmed. Each attempt to put a
// job has its own number.
func produce(t *testing.T, address, mark string, stop <-chan struct{}) []string {
	t.Helper()
	c := NewClient(address)
	defer func() { _ = c.Close() }()
	var confirmed []string
	for i := 0; ; i++ {
		select {
		case <-stop:
			return confirmed
		default:
		}
		command := fmt.Sprintf("%s-%d", mark, i)
		_, err := c.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(job(command)), Priority: queue.DefaultPriority})
		if err == nil {
			confirmed = append(confirmed, command)
		}
	}
}

// Of the jobs that beanstalkd confirmed and did not lose itself, none is lost and none runs twice if beanstalkd, with a binlog, is killed
// again and again.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{Binlog: true})
	p := beanstalkd.NewProxy(t, s)
	var ran runCounter
	w := work(t, p.Address, options(), ran.Job)
	stop := make(chan struct{})
	var producers sync.WaitGroup
	var mu sync.Mutex
	var confirmed []string
	for p := range 4 {
		producers.Go(func() {
			commands := produce(t, s.Address, fmt.Sprint("p", p), stop)
			mu.Lock()
			confirmed = append(confirmed, commands...)
			mu.Unlock()
		})
	}
	kills := testkit.Scale(20, 100)
	for range kills {
		before := w.Status().Done
		some := before + uint64(rand.N(40))
		testkit.WaitFor(t, "some jobs", func() bool { return w.Status().Done > some })
		s.Kill()
		s.Restart(t)
	}
	close(stop)
	producers.Wait()
	testkit.WaitFor(t, "the last jobs", func() bool {
		n := counts(t, s.Address)
		return n.Ready+n.Reserved+n.Delayed == 0 && w.Status().Held == 0
	})
	lost, lostByServer := 0, 0
	for _, command := range confirmed {
		ran.mu.Lock()
		switch {
		case ran.runs[command] > 0:
		case p.Ended(job(command)):
			lost++
		default:
			lostByServer++
		}
		ran.mu.Unlock()
	}
	_, twice := ran.ran()
	testkit.Measured(t, "%d kills, %d jobs confirmed: %d lost, %d ran twice, %d came again and were not run; beanstalkd itself lost %d, and stored %d in part",
		kills, len(confirmed), lost, twice, w.Status().Redelivered, lostByServer, w.Status().Buried)
	if lost > 0 || twice > 0 {
		t.Errorf("jobs: %d lost, %d ran twice, want 0 and 0", lost, twice)
	}
}

// A job that beanstalkd stored in part is buried, and those behind it are run.
func TestJobStoredInPart(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{Binlog: true})
	put(t, s.Address, job("first"), job("torn"), job("last"))
	s.Kill()
	s.Tear(t, job("torn"))
	s.Restart(t)
	var ran runCounter
	w := work(t, s.Address, options(), ran.Job)
	testkit.WaitFor(t, "the jobs", func() bool { return w.Status().Done+w.Status().Buried == 3 })
	if want := []string{"first", "last"}; !slices.Equal(ran.last, want) || w.Status().ConnectionsLost > 0 {
		t.Errorf("ran %q with %d connections lost, want %q and none", ran.last, w.Status().ConnectionsLost, want)
	}
	if lines := w.log.about("only NUL bytes"); len(lines) != 1 {
		t.Errorf("log: got %q, want one line that says what was found", lines)
	}
}

// No job is lost and none runs twice if the connection is cut again and again.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{})
	p := beanstalkd.NewProxy(t, s)
	jobs, most := testkit.Scale(20_000, 100_000), testkit.Scale(60, 300)
	fillWith(t, s.Address, jobs)
	var ran runCounter
	w := work(t, p.Address, options(), ran.Job)
	cuts := 0
	for cuts < most {
		before := w.Status().Taken
		testkit.WaitFor(t, "a job, or the end", func() bool { return w.Status().Taken > before || w.Status().Done == uint64(jobs) })
		if w.Status().Done == uint64(jobs) {
			break
		}
		cuts += p.Cut()
	}
	lastCut, left := time.Now(), jobs-int(w.Status().Done)
	testkit.WaitForNone(t, "jobs in the queue", func() (int, error) { n := counts(t, s.Address); return n.Ready + n.Reserved, nil })
	all, twice := ran.ran()
	testkit.Measured(t, "%d cuts, %d jobs: %d lost, %d ran twice, %d came again and were not run; the last %d done in %v",
		cuts, jobs, jobs-all, twice, w.Status().Redelivered, left, time.Since(lastCut).Round(time.Millisecond))
	if all != jobs || twice != 0 {
		t.Errorf("of %d jobs %d ran, %d of them twice, want all once", jobs, all, twice)
	}
}

// fillWith puts jobs numbered from 0.
func fillWith(t *testing.T, address string, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			var bodies []string
			for i := p; i < n; i += 8 {
				bodies = append(bodies, job(fmt.Sprint("job-", i)))
			}
			put(t, address, bodies...)
		})
	}
	wg.Wait()
}

// Jobs are begun in the order of the tube, and long ones do not hold those behind them.
func TestOrder(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{})
	var want, bodies []string
	for i := range 2000 {
		want = append(want, fmt.Sprint("job-", i))
	}
	for _, command := range want {
		bodies = append(bodies, job(command))
	}
	put(t, s.Address, bodies...)
	var ran runCounter
	release := make(chan struct{})
	w := work(t, s.Address, options(), func(ctx context.Context, j queue.Job, done func(error)) {
		if j.Command == "job-100" || j.Command == "job-200" {
			ended := done
			done = func(error) {
				go func() {
					<-release
					ended(nil)
				}()
			}
		}
		ran.Job(ctx, j, done)
	})
	testkit.WaitFor(t, "all but the two", func() bool { return w.Status().Done == 1998 })
	close(release)
	testkit.WaitFor(t, "the two", func() bool { return w.Status().Done == 2000 })
	if !slices.Equal(ran.last, want) {
		t.Errorf("jobs were begun in the order %.200q, want that of the tube", ran.last)
	}
}

// After a beanstalkd was stopped and continued, its jobs are run, and no command gets the answer to another.
func TestStoppedServer(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{})
	var ran runCounter
	w := work(t, s.Address, options(), ran.Job)
	put(t, s.Address, job("first"))
	testkit.WaitFor(t, "the first job", func() bool { return w.Status().Done == 1 })
	c := NewClient(s.Address)
	defer c.Close()
	s.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.Put(ctx, queue.PutRequest{Queue: "default", Body: []byte(job("unsure"))})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put while beanstalkd is stopped = %v, want %v", err, context.DeadlineExceeded)
	}
	testkit.WaitFor(t, "the connection to count as lost", func() bool { return !w.Status().Connected })
	s.Continue(t)
	continued := time.Now()
	fillWith(t, s.Address, 100)
	testkit.WaitFor(t, "the jobs after it goes on", func() bool { return counts(t, s.Address).Ready == 0 && w.Status().Done >= 101 })
	_, twice := ran.ran()
	testkit.Measured(t, "100 jobs put and done %v after SIGCONT, %d ran twice", time.Since(continued).Round(time.Millisecond), twice)
	if twice != 0 {
		t.Errorf("%d jobs ran twice, want 0", twice)
	}
}

// A job that takes longer than its time to run is kept by touching it. The times are real, so no other test may run meanwhile,
// and a run in which the machine stands still for longer than that says nothing about touching.
func TestShortTimeToRun(t *testing.T) {
	const runs = 10
	for range runs {
		if timeouts := runShortJobs(t); timeouts == "0" || t.Failed() {
			return
		}
	}
	t.Errorf("in each of %d runs the time to run of a job ended, want it extended by touching", runs)
}

// runShortJobs runs jobs that take longer than their time to run, and returns beanstalkd's count of those that timed out.
func runShortJobs(t *testing.T) (timeouts string) {
	t.Helper()
	s := beanstalkd.Start(t, beanstalkd.Options{})
	c := NewClient(s.Address)
	defer c.Close()
	began := time.Now()
	for i := range 3 {
		if _, err := c.Put(t.Context(), queue.PutRequest{Queue: "default", Body: []byte(job(fmt.Sprint("job-", i))), TTR: time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	var ran runCounter
	w := work(t, s.Address, options(), func(ctx context.Context, j queue.Job, done func(error)) {
		time.AfterFunc(1700*time.Millisecond, func() { ran.Job(ctx, j, done) })
	})
	testkit.WaitFor(t, "all jobs", func() bool { return w.Status().Done == 3 })
	if all, twice := ran.ran(); all != 3 || twice != 0 {
		t.Errorf("of 3 jobs that take longer than their time to run %d ran, %d twice, want 3 and 0", all, twice)
	}
	conn, err := beanstalk.Dial("tcp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stats, err := conn.Stats()
	if touches, _ := strconv.Atoi(stats["cmd-touch"]); err != nil || touches == 0 || touches > 60 {
		t.Errorf("Stats: %s touches, %v, want some", stats["cmd-touch"], err)
	}
	testkit.Measured(t, "3 jobs, each once: %s timed out, %s touches in %v", stats["job-timeouts"], stats["cmd-touch"], time.Since(began).Round(time.Millisecond))
	return stats["job-timeouts"]
}

// Unreadable and oversized jobs are buried at once, and failing ones after their last attempt; the rest is done.
func TestBadJobs(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{MaxJob: 2 << 20})
	put(t, s.Address, job("good-1"), "!unreadable", job("fails"), job("never"), strings.Repeat("x", 64<<10+1),
		strings.Repeat("y", 1<<20), "", "binary\x00\r\n\xff", job("good-2"))
	o := options()
	o.MaxAttempts = 2
	var attempts []int
	var ran runCounter
	w := work(t, s.Address, o, func(ctx context.Context, j queue.Job, done func(error)) {
		switch {
		case j.Unknown != nil:
			done(j.Unknown)
		case j.Command == "fails":
			attempts = append(attempts, j.Attempt)
			done(errors.New("it is broken"))
		case j.Command == "never":
			done(fmt.Errorf("there is no command %q: %w", j.Command, queue.ErrPermanent))
		default:
			ran.Job(ctx, j, done)
		}
	})
	testkit.WaitFor(t, "all jobs", func() bool { return w.Status().Buried == 7 && w.Status().Done == 2 })
	if want := []int{1, 2}; !slices.Equal(attempts, want) {
		t.Errorf("attempts of the job that fails: got %v, want %v", attempts, want)
	}
	if n := counts(t, s.Address); n.Buried != 7 || n.Ready != 0 || n.Delayed != 0 {
		t.Errorf("Counts = %+v, want 7 buried and nothing else", n)
	}
	var reasons []string
	for _, f := range w.Failed() {
		reasons = append(reasons, f.Reason)
		if f.ID == 0 || f.Time.IsZero() {
			t.Errorf("Failed has %+v, want the ID and the time", f)
		}
	}
	all := strings.Join(reasons, "\n")
	for _, want := range []string{"JSON", "it is broken", "no command", "longer than 65536 bytes", "UTF-8"} {
		if !strings.Contains(all, want) {
			t.Errorf("Failed has the reasons %q, want one with %q", reasons, want)
		}
	}
	if lines := w.log.about("yyyy"); len(lines) > 0 {
		t.Error("the log has the body of a job, want none")
	}
}

// A stopping worker gives back jobs that have not begun or do not end in time, and finishes the rest.
func TestStopWithHeldJobs(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{})
	put(t, s.Address, job("one"), job("two"), job("three"), job("four"), job("five"))
	o := options()
	o.Drain = func() time.Duration { return 300 * time.Millisecond }
	begun := make(chan func(error), 10)
	w := work(t, s.Address, o, func(_ context.Context, j queue.Job, done func(error)) {
		if j.Command == "one" {
			done(nil)
			return
		}
		begun <- done
	})
	<-begun
	testkit.WaitFor(t, "the first job", func() bool { return w.Status().Done == 1 })
	w.stop()
	if n := counts(t, s.Address); n.Ready != 4 || n.Reserved != 0 {
		t.Errorf("Counts after the stop = %+v, want 4 ready and none reserved", n)
	}
	if got := w.Status(); got.GivenBack == 0 || got.Done != 1 {
		t.Errorf("Status after the stop = %+v, want jobs given back and 1 done", got)
	}
}

// A job that is given back at each of many stops, begun or not, keeps its place, loses no attempt, and does not count as crashing
// the server.
func TestStopsCostNoAttempt(t *testing.T) {
	t.Parallel()
	s := beanstalkd.Start(t, beanstalkd.Options{})
	put(t, s.Address, job("long"), job("next"))
	o := options()
	o.Drain = func() time.Duration { return 10 * time.Millisecond }
	for range 7 {
		begun := make(chan struct{}, 2)
		w := work(t, s.Address, o, func(context.Context, queue.Job, func(error)) { begun <- struct{}{} })
		<-begun
		w.stop()
	}
	c := NewClient(s.Address)
	defer c.Close()
	j, stats, err := c.Peek(t.Context(), "default", queue.Ready)
	if err != nil || string(j.Body) != job("long") || stats.Releases != 0 || stats.Reserves != 7 {
		t.Errorf("Peek after 7 stops = %s, %+v, %v, want the first job, reserved 7 times and never released", j.Body, stats, err)
	}
	attempts := make(chan int, 1)
	o.MaxAttempts = 1
	w := work(t, s.Address, o, func(_ context.Context, j queue.Job, done func(error)) {
		if j.Command == "long" {
			attempts <- j.Attempt
		}
		done(nil)
	})
	if got := <-attempts; got != 1 {
		t.Errorf("after 7 stops the job is attempt %d, want 1", got)
	}
	testkit.WaitFor(t, "both jobs", func() bool { return w.Status().Done == 2 })
}
