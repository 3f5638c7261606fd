package redis

import (
	"cmp"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"perigee/engine/queue"
)

// maxPause is how long a connection waits for a job at most before it looks for one that is due, since nobody is told of those. It also
// bounds how late a job is noticed that was put without a notification, on servers that cannot wait for the job itself.
const maxPause = time.Second

// waiter waits for jobs on a connection of its own.
type waiter struct {
	// Set by newWaiter, never changed.
	c       *connection
	deliver func(j job) queue.Job
	begin   chan waitRequest // capacity 1; wait sends, run receives, close closes
	running sync.WaitGroup

	// Owned by run.
	notified bool // the server knows no BLMOVE: wait for notifications, as Laravel does

	// Guarded by mu.
	mu      sync.Mutex
	blocked bool // the connection waits, and has reserved nothing
	closing bool
}

type waitRequest struct {
	until  time.Time
	answer func(queue.Job, error)
}

func newWaiter(c *connection, deliver func(j job) queue.Job) *waiter {
	w := &waiter{c: c, deliver: deliver, begin: make(chan waitRequest, 1)}
	w.running.Go(w.run)
	return w
}

// wait begins to wait for a job. One wait must have been answered before the next one.
func (w *waiter) wait(d time.Duration, answer func(queue.Job, error)) {
	w.begin <- waitRequest{time.Now().Add(d), answer}
}

func (w *waiter) run() {
	for r := range w.begin {
		j, err := w.next(r.until)
		if err == nil && w.isClosing() {
			_, err = w.c.call(w.c.scripts.giveBack, j.member)
			err = cmp.Or(err, errClosed)
		}
		if err != nil {
			r.answer(queue.Job{}, err)
			continue
		}
		r.answer(w.deliver(j), nil)
	}
}

func (w *waiter) isClosing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closing
}

// next reserves the next job, and waits for one until a time.
func (w *waiter) next(until time.Time) (job, error) {
	for {
		jobs, due, err := w.c.reserve(1)
		switch {
		case err != nil:
			return job{}, err
		case len(jobs) > 0:
			return jobs[0], nil
		}
		pause := min(time.Until(until), maxPause)
		if due > 0 {
			pause = min(pause, due)
		}
		if pause <= 0 {
			return job{}, queue.ErrEmpty
		}
		if err := w.pause(max(pause, time.Millisecond)); err != nil {
			return job{}, err
		}
	}
}

// pause waits until a job is ready, at most for a time.
func (w *waiter) pause(d time.Duration) error {
	w.mu.Lock()
	if w.closing {
		w.mu.Unlock()
		return errClosed
	}
	w.blocked = true
	w.mu.Unlock()
	err := w.block(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blocked = false
	return err
}

// block sends the command that waits. Moving the first job of a list to where it is changes nothing.
func (w *waiter) block(d time.Duration) error {
	command, arguments := "BLMOVE", []any{w.c.keys.ready, w.c.keys.ready, "LEFT", "LEFT", d.Seconds()}
	if w.notified {
		command, arguments = "BLPOP", []any{w.c.keys.notify, d.Seconds()}
	}
	_, err := redis.DoWithTimeout(w.c.Conn, d+answerTimeout, command, arguments...)
	if answer, ok := errors.AsType[redis.Error](err); ok && !w.notified && strings.HasPrefix(string(answer), "ERR unknown command") {
		w.notified = true
		return nil
	}
	return w.c.translate(err)
}

// close ends the wait. A reserve under way is answered first, since it may have reserved a job.
func (w *waiter) close() {
	w.mu.Lock()
	w.closing = true
	if w.blocked {
		_ = w.c.Close() // the wait has no other end
	}
	w.mu.Unlock()
	close(w.begin)
	w.running.Wait()
	_ = w.c.Close()
}
