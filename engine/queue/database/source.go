package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"perigee/engine/queue"
)

var _ queue.Source = (*source)(nil)

// source is a queue.Source, which describes its methods. Its goroutine executes all commands that have been begun meanwhile in one
// transaction: the database then syncs its log once for all of them.
type source struct {
	// Set by Open, never changed.
	q        *Queue
	queue    string
	conn     conn
	db       *sql.DB // of conn only
	dialer   *dialer // of db
	interval time.Duration
	ctx      context.Context //nolint:containedctx // of the goroutine's statements; cancel ends it
	cancel   context.CancelFunc
	wake     chan struct{} // capacity 1; Flush and Close send, run receives
	news     chan struct{} // capacity 1; Queue.announce sends, run receives
	running  sync.WaitGroup
	listener *listener // nil if there are no notifications

	mu sync.Mutex
	// Guarded by mu.
	begun  []*command // not executed yet
	closed bool

	// Owned by run.
	skipLocked string // how a query leaves out rows that others have locked
	held       map[uint64]*reservation
	waiting    *command  // a reserve that waits for a job
	emptyUntil time.Time // until then, the queue counts as empty
	lost       error     // why the connection cannot be used any more
}

// kind is what a command does.
type kind int

// The kinds, in the order in which a transaction executes them: nothing that frees a job may come after a reserve.
const (
	touch kind = iota
	remove
	giveBack
	release
	bury
	countBuried
	reserve
)

// command is a command that awaits its answer.
type command struct {
	kind   kind
	id     uint64
	delay  time.Duration // of a release
	wait   time.Duration // of a reserve
	reason string        // of a bury
	answer func(c *command)

	deadline time.Time // of a reserve that waits; zero until it has looked for a job

	// The outcome.
	err      error
	job      queue.Job
	reserved *reservation
	count    int
}

// Open connects and returns a source of the jobs of one queue.
func (q *Queue) Open(ctx context.Context, name string) (queue.Source, error) {
	if q.invalid != nil {
		return nil, q.invalid
	}
	s := &source{
		q: q, queue: name, dialer: &dialer{}, interval: q.options.Poll, held: map[uint64]*reservation{},
		wake: make(chan struct{}, 1), news: make(chan struct{}, 1),
	}
	connector, err := q.target.connector(s.dialer)
	if err != nil {
		return nil, q.explain(err)
	}
	s.db = sql.OpenDB(connector)
	s.db.SetMaxOpenConns(1)
	if err := s.connect(ctx); err != nil {
		s.dialer.kill(true)
		_ = s.db.Close()
		return nil, q.explain(err)
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	q.subscribe(name, s.news)
	s.running.Go(s.run)
	return s, nil
}

// connect prepares the connection, and frees what earlier sources of the queue have abandoned.
func (s *source) connect(ctx context.Context) error {
	raw, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	s.conn = conn{Conn: raw, q: s.q}
	t := s.q.target
	s.skipLocked = t.skipLocked
	if t.version != "" {
		var version string
		if err := s.conn.row(ctx, []any{&version}, t.version); err != nil {
			return err
		}
		if !skipsLocked(version) {
			s.skipLocked = t.lock
		}
	}
	if t.setup != "" {
		if _, err := s.conn.exec(ctx, t.setup); err != nil {
			return err
		}
	}
	if err := s.conn.checkTables(ctx); err != nil {
		return err
	}
	abandoned := s.q.takeAbandoned(s.queue)
	if err := s.conn.free(ctx, abandoned); err != nil {
		s.q.abandon(s.queue, abandoned)
		return err
	}
	if t.listenDSN != "" {
		s.listener, err = s.conn.listen(ctx)
	}
	return err
}

// begin adds a command to those that Flush sends.
func (s *source) begin(c *command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = append(s.begun, c)
}

func (s *source) Reserve(wait time.Duration, answer func(queue.Job, error)) {
	s.begin(&command{kind: reserve, wait: wait, answer: func(c *command) { answer(c.job, c.err) }})
}

func (s *source) Delete(id uint64, answer func(error)) {
	s.begin(&command{kind: remove, id: id, answer: func(c *command) { answer(c.err) }})
}

// Release ignores the priority: the table has none.
func (s *source) Release(id uint64, _ uint32, delay time.Duration, answer func(error)) {
	s.begin(&command{kind: release, id: id, delay: delay, answer: func(c *command) { answer(c.err) }})
}

func (s *source) GiveBack(id uint64, _ uint32, answer func(error)) {
	s.begin(&command{kind: giveBack, id: id, answer: func(c *command) { answer(c.err) }})
}

func (s *source) Bury(id uint64, _ uint32, reason string, answer func(error)) {
	s.begin(&command{kind: bury, id: id, reason: reason, answer: func(c *command) { answer(c.err) }})
}

func (s *source) Touch(id uint64, answer func(error)) {
	s.begin(&command{kind: touch, id: id, answer: func(c *command) { answer(c.err) }})
}

func (s *source) Buried(answer func(int, error)) {
	s.begin(&command{kind: countBuried, answer: func(c *command) { answer(c.count, c.err) }})
}

func (s *source) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.begun) > 0 {
		signal(s.wake)
	}
}

// Close frees the jobs that are still held, so that any worker gets them next.
func (s *source) Close() {
	s.q.unsubscribe(s.queue, s.news)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	signal(s.wake)
	late := time.AfterFunc(closeTimeout, func() {
		s.cancel()
		s.dialer.kill(true)
	})
	s.running.Wait()
	late.Stop()
	s.cancel()
	if s.listener != nil {
		_ = s.listener.Close()
	}
	_ = s.conn.Close()
	_ = s.db.Close()
}

// signal sends unless the channel is full.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run executes commands until Close.
func (s *source) run() {
	for {
		var poll <-chan time.Time
		if s.waiting != nil {
			poll = time.After(max(0, min(time.Until(s.emptyUntil), time.Until(s.waiting.deadline))))
		}
		select {
		case <-s.wake:
		case <-s.news:
			s.emptyUntil = time.Time{}
		case <-poll:
		}
		s.mu.Lock()
		commands, closed := s.begun, s.closed
		s.begun = nil
		s.mu.Unlock()
		if closed {
			s.end(commands)
			return
		}
		s.work(commands)
	}
}

// end answers what is left, and frees the held jobs.
func (s *source) end(commands []*command) {
	if s.lost == nil {
		s.lost = queue.ErrStopping
		if s.conn.free(s.ctx, slices.Collect(maps.Values(s.held))) == nil {
			clear(s.held)
		}
	}
	s.abandonHeld()
	s.work(commands)
}

// abandonHeld leaves the held jobs to the next source of the queue.
func (s *source) abandonHeld() {
	s.q.abandon(s.queue, slices.Collect(maps.Values(s.held)))
	clear(s.held)
}

// work executes commands, and the reserve that waits, if it is time to look for a job. Then it answers them in their order.
func (s *source) work(commands []*command) {
	if w := s.waiting; w != nil && (s.lost != nil || !time.Now().Before(s.emptyUntil) || !time.Now().Before(w.deadline)) {
		s.waiting = nil
		commands = append([]*command{w}, commands...)
	}
	var due []*command
	for _, c := range commands {
		if c.kind == reserve && s.lost == nil && time.Now().Before(s.emptyUntil) {
			c.err = queue.ErrEmpty
		} else {
			due = append(due, c)
		}
	}
	if len(due) > 0 {
		s.execute(due)
	}
	for _, c := range commands {
		if c.kind == reserve && errors.Is(c.err, queue.ErrEmpty) && s.keepWaiting(c) {
			continue
		}
		c.answer(c)
	}
}

// keepWaiting reports whether a reserve that found no job goes on waiting.
func (s *source) keepWaiting(c *command) bool {
	if c.deadline.IsZero() {
		c.deadline = time.Now().Add(c.wait)
	}
	if s.waiting != nil || !time.Now().Before(c.deadline) {
		return false
	}
	s.waiting = c
	return true
}

// execute executes commands in one transaction, or else, if one of them is refused, each in its own.
func (s *source) execute(commands []*command) {
	if s.lost != nil {
		for _, c := range commands {
			c.err = s.lost
		}
		return
	}
	err := s.attempt(commands)
	switch {
	case err == nil:
		for _, c := range commands {
			s.record(c)
		}
	case !refused(err) && !errors.Is(err, errPartly):
		s.lost = s.q.explain(err)
		s.abandonHeld()
		s.execute(commands) // answers them
	case len(commands) == 1:
		commands[0].err = fmt.Errorf("%w: %w", queue.ErrRefused, err)
	default:
		for i := range commands {
			s.execute(commands[i : i+1])
		}
	}
}

// attempt executes commands in one transaction. While nothing but a waiting reserve is to be executed, it looks for a job first,
// without locking anything.
func (s *source) attempt(commands []*command) error {
	if c := commands[0]; len(commands) == 1 && c.kind == reserve && c.wait > 0 {
		var id int64
		now := time.Now()
		err := s.conn.row(s.ctx, []any{&id}, "SELECT id FROM {jobs} WHERE "+ready+" LIMIT 1", s.queue, now.Unix(), s.q.expired())
		if errors.Is(err, queue.ErrNotFound) {
			c.err, s.emptyUntil = queue.ErrEmpty, now.Add(s.interval)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return s.conn.transaction(s.ctx, func() error { return s.apply(commands) })
}

// record records the outcome of a command.
func (s *source) record(c *command) {
	switch {
	case c.err != nil:
	case c.kind == reserve:
		s.held[c.job.ID] = c.reserved
	case c.kind == remove || c.kind == giveBack || c.kind == release || c.kind == bury:
		delete(s.held, c.id)
	}
}

// subscribe has a source signaled when a job of the queue may have come.
func (q *Queue) subscribe(name string, news chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting[name] == nil {
		q.waiting[name] = map[chan struct{}]bool{}
	}
	q.waiting[name][news] = true
}

func (q *Queue) unsubscribe(name string, news chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting[name], news)
}

// announce signals the sources of a queue that a job may have come.
func (q *Queue) announce(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for news := range q.waiting[name] {
		signal(news)
	}
}

// abandon keeps the reservations of a source whose connection is lost.
func (q *Queue) abandon(name string, held []*reservation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.abandoned[name] = append(q.abandoned[name], held...)
}

func (q *Queue) takeAbandoned(name string) []*reservation {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer delete(q.abandoned, name)
	return q.abandoned[name]
}
