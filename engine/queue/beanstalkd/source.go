package beanstalkd

import (
	"fmt"
	"strconv"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/queue"
)

var _ queue.StatsSource = (*source)(nil)

// source is a queue.Source, which describes its methods. It sends its commands without waiting for their answers: waiting would make the worker several times slower.
type source struct {
	conn  *connection
	name  string
	tubes *beanstalk.TubeSet // of that name; the first reserve watches it
}

func newSource(c *connection, tube string) *source {
	c.buffered = true
	return &source{conn: c, name: tube, tubes: beanstalk.NewTubeSet(c.lib, tube)}
}

func (s *source) Reserve(wait time.Duration, answer func(queue.Job, error)) {
	var j queue.Job
	s.conn.send(wait, withBody, func(*beanstalk.Conn) (err error) {
		j.ID, j.Body, err = s.tubes.Reserve(wait)
		return err
	}, func(err error) { answer(j, err) })
}

func (s *source) Delete(id uint64, answer func(error)) {
	s.conn.send(0, lineOnly, func(c *beanstalk.Conn) error { return c.Delete(id) }, answer)
}

func (s *source) Release(id uint64, priority uint32, delay time.Duration, answer func(error)) {
	s.conn.send(0, lineOnly, func(c *beanstalk.Conn) error { return c.Release(id, priority, delay) }, answer)
}

// GiveBack buries and kicks the job, both in one write: a release would count as a failed attempt, and ending the connection as a
// crash.
func (s *source) GiveBack(id uint64, priority uint32, answer func(error)) {
	var refused error
	s.conn.send(0, lineOnly, func(c *beanstalk.Conn) error { return c.Bury(id, priority) }, func(err error) { refused = err })
	s.conn.send(0, lineOnly, func(c *beanstalk.Conn) error { return c.KickJob(id) }, func(err error) {
		if refused != nil {
			err = refused
		}
		answer(err)
	})
}

// Bury leaves out the reason, for which beanstalkd has no place. To the library, the answer BURIED is an error of other commands only.
func (s *source) Bury(id uint64, priority uint32, _ string, answer func(error)) {
	s.conn.send(0, lineOnly, func(c *beanstalk.Conn) error { return c.Bury(id, priority) }, answer)
}

func (s *source) Touch(id uint64, answer func(error)) {
	s.conn.send(0, lineOnly, func(c *beanstalk.Conn) error { return c.Touch(id) }, answer)
}

func (s *source) Stats(id uint64, answer func(queue.Stats, error)) {
	var stats queue.Stats
	s.conn.send(0, withBody, func(c *beanstalk.Conn) (err error) {
		stats, err = jobStats(c, id)
		return err
	}, func(err error) { answer(stats, err) })
}

func (s *source) Buried(answer func(int, error)) {
	var n int
	s.conn.send(0, withBody, func(c *beanstalk.Conn) error {
		counts, err := tubeCounts(c, s.name)
		n = counts.Buried
		return err
	}, func(err error) { answer(n, err) })
}

func (s *source) Flush() { s.conn.flush() }

// Close closes the connection; beanstalkd then makes its reserved jobs ready again.
func (s *source) Close() { s.conn.close() }

// jobStats reads the statistics of a job.
func jobStats(c *beanstalk.Conn, id uint64) (queue.Stats, error) {
	fields, err := c.StatsJob(id)
	if err != nil {
		return queue.Stats{}, err
	}
	n := numbers{fields: fields}
	stats := queue.Stats{
		Queue:    fields["tube"],
		State:    fields["state"],
		Priority: uint32(n.get("pri", 32)),
		Age:      time.Duration(n.get("age", 32)) * time.Second,
		Reserves: int(n.get("reserves", 31)),
		Releases: int(n.get("releases", 31)),
		Buries:   int(n.get("buries", 31)),
		Kicks:    int(n.get("kicks", 31)),
	}
	return stats, n.err
}

// tubeCounts reads the statistics of a tube.
func tubeCounts(c *beanstalk.Conn, tube string) (queue.Counts, error) {
	fields, err := beanstalk.NewTube(c, tube).Stats()
	if err != nil {
		return queue.Counts{}, err
	}
	n := numbers{fields: fields}
	counts := queue.Counts{
		Ready:    int(n.get("current-jobs-ready", 31)),
		Urgent:   int(n.get("current-jobs-urgent", 31)),
		Delayed:  int(n.get("current-jobs-delayed", 31)),
		Reserved: int(n.get("current-jobs-reserved", 31)),
		Buried:   int(n.get("current-jobs-buried", 31)),
		Waiting:  int(n.get("current-waiting", 31)),
	}
	return counts, n.err
}

// numbers parses numbers of statistics.
type numbers struct {
	fields map[string]string
	err    error // of the first value that was not a number
}

func (n *numbers) get(name string, bits int) uint64 {
	value, err := strconv.ParseUint(n.fields[name], 10, bits)
	if err != nil && n.err == nil {
		n.err = fmt.Errorf("its statistics have no valid number for %s: %.40q", name, n.fields[name])
	}
	return value
}
