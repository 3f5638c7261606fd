package beanstalkd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/queue"
)

// link is one connection. The library reads and writes through it.
type link struct {
	// Set by newLink, never changed.
	nc      net.Conn
	address string
	lib     *beanstalk.Conn
	wrote   chan struct{} // capacity 1; the command that is being sent sends, send receives

	// Commands are sent, written and answered on goroutines that are used again: their stacks have grown by then.
	free    chan *command  // send sends, idle goroutines receive, close closes
	running sync.WaitGroup // the goroutines

	// Owned by whoever sends. Between send and wrote, the command's goroutine has it.
	sending *command
	keep    bool   // what is written is kept until flush
	out     []byte // what was kept

	// Owned by whoever's turn it is to read; the library sees to that.
	checker checker
	in      []byte // where it reads to

	// Guarded by mu.
	mu      sync.Mutex
	pending []*command // sent and not answered, in their order
	awaited []bool     // of each command whose answer has not been read: whether it may have a body
	cause   error      // why the link cannot be used any more
	over    bool       // a command was told so; those after it are told the same
}

// command is one that awaits its answer.
type command struct {
	run      func(c *beanstalk.Conn) error
	due      time.Time // when it must be answered
	sent     bool      // its goroutine has written it
	ended    bool      // guarded by link.mu
	err      error     // guarded by link.mu
	fatal    bool      // guarded by link.mu; err is not an answer
	answered func(error)
}

// errSilent is the cause where no answer came.
var errSilent = fmt.Errorf("it has not answered for %v", patience)

func newLink(nc net.Conn, address string) *link {
	l := &link{nc: nc, address: address, wrote: make(chan struct{}, 1), free: make(chan *command), in: make([]byte, 4096)}
	l.checker = checker{answers: answers(), next: l.next, room: make([]byte, 0, len(l.in)+maxLine)}
	l.lib = beanstalk.NewConn(stream{l})
	return l
}

// stream is the link as the library sees it.
type stream struct{ l *link }

// Read implements io.Reader. It gives the library whole lines only, which were looked at: of a line that is cut off by the
// end of the connection the library would believe what there is.
func (s stream) Read(p []byte) (int, error) {
	c := &s.l.checker
	for len(c.whole) == 0 {
		if err := s.l.read(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.whole)
	if c.whole = c.whole[n:]; len(c.whole) == 0 {
		c.whole = c.room[:0]
	}
	return n, nil
}

// read reads what has come. It waits as long as the oldest command may take.
func (l *link) read() error {
	if err := l.nc.SetReadDeadline(l.due()); err != nil {
		return l.fail(err)
	}
	n, err := l.nc.Read(l.in)
	switch {
	case n > 0:
		if err := l.checker.check(l.in[:n]); err != nil {
			_ = l.fail(err) // the next read returns it, after what was whole
		}
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		if time.Now().Before(l.due()) { // it was that of a command that is answered by now
			return nil
		}
		return l.fail(errSilent)
	case errors.Is(err, io.EOF):
		return l.fail(errClosed)
	case err != nil:
		return l.fail(err)
	}
	return nil
}

var errClosed = errors.New("it has closed the connection")

// due is when the oldest command must be answered.
func (l *link) due() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return time.Now().Add(patience)
	}
	return l.pending[0].due
}

// Write implements io.Writer.
func (s stream) Write(p []byte) (int, error) {
	l := s.l
	if c := l.sending; c != nil && !c.sent {
		c.sent = true
		defer func() { l.wrote <- struct{}{} }()
	}
	if l.keep {
		l.out = append(l.out, p...)
		return len(p), l.broken()
	}
	return l.write(p)
}

func (l *link) write(p []byte) (int, error) {
	if err := l.nc.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, l.fail(err)
	}
	n, err := l.nc.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errSilent
	}
	if err != nil {
		return n, l.fail(err)
	}
	return n, nil
}

// Close implements io.Closer for the library, which never calls it by itself.
func (s stream) Close() error { return s.l.nc.Close() }

// kind is what a command may be answered with.
type kind bool

const (
	word kind = false // a line
	text kind = true  // a line and a body
)

// expect notes a command that is about to be sent.
func (l *link) expect(k kind, c *command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, c)
	l.awaited = append(l.awaited, bool(k))
}

// next tells what the next answer may be.
func (l *link) next() (bodied, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.awaited) == 0 {
		return false, false
	}
	bodied = l.awaited[0]
	l.awaited = l.awaited[1:]
	return bodied, true
}

// send begins a command and returns when it is written. answered is called once, in the order of the commands. wait is
// how long beanstalkd may wait before it answers. It is called by one goroutine at a time.
func (l *link) send(wait time.Duration, k kind, f func(c *beanstalk.Conn) error, answered func(error)) {
	c := &command{run: f, due: time.Now().Add(wait + patience), answered: answered}
	l.expect(k, c)
	l.sending = c
	select {
	case l.free <- c:
	default:
		l.running.Go(func() { l.perform(c) })
	}
	<-l.wrote
}

// perform has a command answered, and then others, until close.
func (l *link) perform(c *command) {
	for ok := true; ok; c, ok = <-l.free {
		err := c.run(l.lib)
		if !c.sent { // the library has not come so far
			c.sent = true
			l.wrote <- struct{}{}
		}
		l.answer(c, err)
	}
}

// flush writes what was kept.
func (l *link) flush() {
	if len(l.out) == 0 {
		return
	}
	_, _ = l.write(l.out) // the link has failed then, and the commands with it
	l.out = l.out[:0]
}

// call has one command answered; there is no other meanwhile. Where ctx ends before, so does the link.
func (l *link) call(ctx context.Context, k kind, f func(c *beanstalk.Conn) error) error {
	done := make(chan error, 1)
	c := &command{due: time.Now().Add(patience), answered: func(err error) { done <- err }}
	l.expect(k, c)
	l.running.Go(func() { l.answer(c, f(l.lib)) })
	defer context.AfterFunc(ctx, func() { _ = l.fail(context.Cause(ctx)) })()
	return <-done
}

// answer notes the outcome of a command and tells it, after those of the commands before it.
func (l *link) answer(c *command, err error) {
	err, fatal := l.meaning(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	c.ended, c.err, c.fatal = true, err, fatal
	for len(l.pending) > 0 && l.pending[0].ended {
		first := l.pending[0]
		l.pending[0] = nil
		l.pending = l.pending[1:]
		if l.over { // the library may have taken more for answers
			first.err = l.cause
		}
		l.over = l.over || first.fatal
		first.answered(first.err)
	}
}

// meaning turns an error of the library into one of the queue's. All that is not an answer is fatal and ends the link: what
// comes next could be the answer to something else.
func (l *link) meaning(err error) (meant error, fatal bool) {
	switch {
	case err == nil:
		return nil, false
	case errors.Is(err, beanstalk.ErrTimeout), errors.Is(err, beanstalk.ErrDeadline):
		return queue.ErrEmpty, false
	case errors.Is(err, beanstalk.ErrNotFound):
		return queue.ErrNotFound, false
	}
	if errors.Is(err, beanstalk.ErrBuried) {
		return fmt.Errorf("beanstalkd: %w: it has no memory for it in the queue", queue.ErrBuried), false
	}
	for refusal, text := range refusals() {
		if errors.Is(err, refusal) {
			return fmt.Errorf("beanstalkd: %w: %s", queue.ErrRefused, text), false
		}
	}
	if said, ok := errors.AsType[beanstalk.ConnError](err); ok {
		err = said.Err
	}
	return l.fail(fmt.Errorf("%w: %w", errUnasked, err)), true
}

// refusals are the answers that say no and leave the connection as it is.
func refusals() map[error]string {
	return map[error]string{
		beanstalk.ErrDraining:  "it is draining and takes no jobs any more",
		beanstalk.ErrJobTooBig: "the job is larger than it takes",
		beanstalk.ErrOOM:       "it is out of memory",
		beanstalk.ErrInternal:  "it has an internal error",
	}
}

// fail ends the link and returns why it has ended: the first cause counts.
func (l *link) fail(err error) error {
	l.mu.Lock()
	if l.cause == nil {
		l.cause = fmt.Errorf("beanstalkd: %s: %w", l.address, plain(err))
	}
	cause := l.cause
	l.mu.Unlock()
	_ = l.nc.Close() // what counts is the cause
	return cause
}

// broken returns why the link has ended, or nil.
func (l *link) broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// close ends the link and waits for its commands. Whoever sends calls it, once.
func (l *link) close() {
	_ = l.fail(net.ErrClosed)
	close(l.free)
	l.running.Wait()
}

// loopback tells whether the service is on this machine.
func (l *link) loopback() bool {
	if _, isSocket := l.nc.RemoteAddr().(*net.UnixAddr); isSocket {
		return true
	}
	peer, err := netip.ParseAddrPort(l.nc.RemoteAddr().String())
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// plain leaves the addresses out of a network error: one of them is different each time.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return err
}
