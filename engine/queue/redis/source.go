package redis

import (
	"cmp"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"perigee/engine/logging"
	"perigee/engine/queue"
)

var _ queue.Source = (*source)(nil)

// source is a queue.Source, which describes its methods. It sends its commands without waiting for their answers.
type source struct {
	// Set by newSource, never changed.
	d      *Driver
	name   string
	main   *connection // of all commands but those that wait for a job
	waiter *waiter
	// answers are what to do with the answers of main, in the order of the commands. The goroutine that calls the source sends, read
	// receives, Close closes.
	answers chan func(answer any, err error)
	reading sync.WaitGroup

	// Owned by the goroutine that calls the source.
	again    []*heldJob               // jobs of an earlier source, to deliver first
	reserves []func(queue.Job, error) // begun and not sent
	back     []givenBack              // begun and not sent

	// Guarded by mu.
	mu   sync.Mutex
	held map[uint64]*heldJob // by number
}

// givenBack is a job that is given back.
type givenBack struct {
	*heldJob
	id     uint64
	answer func(error)
}

// maxUnanswered bounds the commands without an answer; further ones wait.
const maxUnanswered = 1024

func newSource(d *Driver, name string, main, waits *connection, again []*heldJob) *source {
	s := &source{
		d: d, name: name, main: main, again: again, held: map[uint64]*heldJob{},
		answers: make(chan func(answer any, err error), maxUnanswered),
	}
	s.waiter = newWaiter(waits, s.deliver)
	s.reading.Go(s.read)
	return s
}

// read passes on the answers, until Close.
func (s *source) read() {
	for answer := range s.answers {
		got, err := s.main.Receive()
		answer(got, s.main.translate(err))
	}
}

// send begins a script.
func (s *source) send(script *redis.Script, answer func(answer any, err error), arguments ...any) {
	_ = s.main.send(script, arguments...) // an error is the answer to this command and to all later ones
	s.answers <- answer
}

// deliver returns a job that was reserved as the worker gets it.
func (s *source) deliver(j job) queue.Job { return s.deliverHeld(s.d.hold(j), j.attempts == 1) }

func (s *source) deliverHeld(j *heldJob, isNew bool) queue.Job {
	stats := j.stats(s.name, "reserved")
	stats.New = isNew
	s.mu.Lock()
	defer s.mu.Unlock()
	number := j.number()
	for s.held[number] != nil && isNew { // another job with the same ID
		number++
	}
	s.held[number] = j
	return queue.Job{ID: number, Body: []byte(j.body), Stats: &stats, Fingerprint: queue.Fingerprint{Hash: j.hash()}}
}

// Reserve reserves a job. While it waits for one, other commands are answered.
func (s *source) Reserve(wait time.Duration, answer func(queue.Job, error)) {
	switch {
	case len(s.again) > 0:
		j := s.again[0]
		s.again = s.again[1:]
		answer(s.deliverHeld(j, false), nil)
	case wait > 0:
		s.waiter.wait(wait, answer)
	default:
		s.reserves = append(s.reserves, answer)
	}
}

// sendReserves sends the reserves begun as one script.
func (s *source) sendReserves() {
	if len(s.reserves) == 0 {
		return
	}
	asked := s.reserves
	s.reserves = nil
	s.send(s.main.scripts.reserve, func(answer any, err error) {
		var jobs []job
		if err == nil {
			jobs, _, err = readReserved(answer)
		}
		if err == nil {
			err = queue.ErrEmpty
		}
		for i, answer := range asked {
			if i < len(jobs) {
				answer(s.deliver(jobs[i]), nil)
			} else {
				answer(queue.Job{}, err)
			}
		}
	}, s.main.ttr, len(asked), newID())
}

// find returns the held job with a number, or nil.
func (s *source) find(id uint64) *heldJob {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[id]
}

// finish runs a script that ends the reservation of a job, or keeps it if keep is set.
func (s *source) finish(id uint64, script *redis.Script, keep bool, answer func(error), arguments ...any) {
	s.sendReserves()
	j := s.find(id)
	if j == nil {
		answer(queue.ErrNotFound)
		return
	}
	s.send(script, func(got any, err error) { answer(s.finished(id, j, keep, got, err)) }, append([]any{j.member}, arguments...)...)
}

// finished returns the answer to a command about a held job. The job is held as long as the server has not answered.
func (s *source) finished(id uint64, j *heldJob, keep bool, got any, err error) error {
	n, err := redis.Int(got, err)
	if err != nil {
		return err
	}
	if n == 0 || !keep {
		s.mu.Lock()
		if s.held[id] == j {
			delete(s.held, id)
		}
		s.mu.Unlock()
	}
	if n == 0 {
		return queue.ErrNotFound
	}
	return nil
}

func (s *source) Delete(id uint64, answer func(error)) {
	s.finish(id, s.main.scripts.delete, false, answer)
}

func (s *source) Release(id uint64, _ uint32, delay time.Duration, answer func(error)) {
	s.finish(id, s.main.scripts.release, false, answer, delay.Seconds())
}

// maxReason is how many bytes of the reason of a bury are kept.
const maxReason = 1024

func (s *source) Bury(id uint64, _ uint32, reason string, answer func(error)) {
	s.finish(id, s.main.scripts.bury, false, answer, logging.Clip(reason, maxReason))
}

func (s *source) Touch(id uint64, answer func(error)) {
	s.finish(id, s.main.scripts.touch, true, answer, s.main.ttr)
}

// GiveBack waits for the flush, so that jobs given back together keep their order.
func (s *source) GiveBack(id uint64, _ uint32, answer func(error)) {
	j := s.find(id)
	if j == nil {
		answer(queue.ErrNotFound)
		return
	}
	s.back = append(s.back, givenBack{j, id, answer})
}

func (s *source) Buried(answer func(int, error)) {
	s.sendReserves()
	_ = s.main.Send("ZCARD", s.main.keys.buried) // an error is the answer
	s.answers <- func(got any, err error) { answer(redis.Int(got, err)) }
}

// Flush sends what was begun.
func (s *source) Flush() {
	s.sendReserves()
	slices.SortFunc(s.back, func(a, b givenBack) int { return cmp.Compare(b.sequence, a.sequence) })
	for _, b := range s.back {
		s.finish(b.id, s.main.scripts.giveBack, false, b.answer)
	}
	s.back = nil
	_ = s.main.Flush() // an error is the answer to what was sent
}

// Close ends the connections. Jobs that are still held are delivered by the next source.
func (s *source) Close() {
	s.waiter.close()
	_ = s.main.Close() // nothing is left to do with it
	for _, answer := range s.reserves {
		answer(queue.Job{}, queue.ErrStopping)
	}
	for _, b := range s.back {
		b.answer(queue.ErrStopping)
	}
	close(s.answers)
	s.reading.Wait()
	left := s.again
	for _, j := range s.held { // no goroutine uses it any more
		left = append(left, j)
	}
	s.d.leave(s.name, left)
}

// newID returns an ID for a job, as random as Laravel's.
func newID() string { return rand.Text() }

var errClosed = errors.New("redis: the connection is closed")
