package beanstalkd

import (
	"fmt"
	"strconv"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/queue"
)

var _ queue.Source = (*source)(nil)

// source is a link whose commands are sent one after the other and answered meanwhile: to wait for each answer would make
// the worker several times slower.
type source struct {
	link  *link
	name  string
	tubes *beanstalk.TubeSet // the one tube; the first reserve watches it
}

func newSource(l *link, tube string) *source {
	l.keep = true
	return &source{link: l, name: tube, tubes: beanstalk.NewTubeSet(l.lib, tube)}
}

// Reserve asks for the next job.
func (s *source) Reserve(wait time.Duration, answer func(queue.Reserved, error)) {
	var r queue.Reserved
	s.link.send(wait, text, func(*beanstalk.Conn) (err error) {
		r.ID, r.Body, err = s.tubes.Reserve(wait)
		return err
	}, func(err error) { answer(r, err) })
}

// Delete ends a job.
func (s *source) Delete(id uint64, answer func(error)) {
	s.link.send(0, word, func(c *beanstalk.Conn) error { return c.Delete(id) }, answer)
}

// Release gives a job back.
func (s *source) Release(id uint64, priority uint32, delay time.Duration, answer func(error)) {
	s.link.send(0, word, func(c *beanstalk.Conn) error { return c.Release(id, priority, delay) }, answer)
}

// GiveBack makes a job ready again. Its releases are the attempts that failed, and a connection that ends without settling
// it counts as a crash; so it is buried and kicked, both in one write.
func (s *source) GiveBack(id uint64, priority uint32, answer func(error)) {
	var refused error
	s.link.send(0, word, func(c *beanstalk.Conn) error { return c.Bury(id, priority) }, func(err error) { refused = err })
	s.link.send(0, word, func(c *beanstalk.Conn) error { return c.KickJob(id) }, func(err error) {
		if refused != nil {
			err = refused
		}
		answer(err)
	})
}

// Bury sets a job aside. The library has BURIED for an error of other commands; here it is what was asked for.
func (s *source) Bury(id uint64, priority uint32, answer func(error)) {
	s.link.send(0, word, func(c *beanstalk.Conn) error { return c.Bury(id, priority) }, answer)
}

// Touch starts a job's time to run anew.
func (s *source) Touch(id uint64, answer func(error)) {
	s.link.send(0, word, func(c *beanstalk.Conn) error { return c.Touch(id) }, answer)
}

// Stats asks what beanstalkd knows of a job.
func (s *source) Stats(id uint64, answer func(queue.Stats, error)) {
	var stats queue.Stats
	s.link.send(0, text, func(c *beanstalk.Conn) (err error) {
		stats, err = jobStats(c, id)
		return err
	}, func(err error) { answer(stats, err) })
}

// Buried counts the buried jobs of the tube.
func (s *source) Buried(answer func(int, error)) {
	var n int
	s.link.send(0, text, func(c *beanstalk.Conn) error {
		counts, err := tubeCounts(c, s.name)
		n = counts.Buried
		return err
	}, func(err error) { answer(n, err) })
}

// Flush sends what was begun.
func (s *source) Flush() { s.link.flush() }

// Close ends the connection: beanstalkd makes what it had reserved ready again.
func (s *source) Close() { s.link.close() }

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

// numbers reads numbers out of statistics.
type numbers struct {
	fields map[string]string
	err    error // the first that was none
}

func (n *numbers) get(name string, bits int) uint64 {
	value, err := strconv.ParseUint(n.fields[name], 10, bits)
	if err != nil && n.err == nil {
		n.err = fmt.Errorf("the statistics have no %s that is a number: %.40q", name, n.fields[name])
	}
	return value
}
