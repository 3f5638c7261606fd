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

// connection is one connection. The library reads and writes through it.
type connection struct {
	// Set by newConnection, never changed.
	nc      net.Conn
	address string
	lib     *beanstalk.Conn
	wrote   chan struct{} // capacity 1; the command that is being sent sends, send receives

	// Commands run on goroutines that are reused, since their stacks have grown by then.
	idle    chan *command  // send sends, idle goroutines receive, close closes
	running sync.WaitGroup // the goroutines

	// Owned by the goroutine that sends. Between send and wrote, by the command's goroutine.
	sending  *command
	buffered bool   // writes are buffered until flush
	out      []byte // the buffer

	// Owned by the goroutine that reads; the library ensures that there is one at a time.
	checker checker
	in      []byte // read buffer

	// Guarded by mu.
	mu       sync.Mutex
	awaiting []*command // sent and not answered, in order
	bodied   []bool     // of each command whose answer has not been read: whether the answer may have a body
	cause    error      // why the connection cannot be used any more
	failed   bool       // a command was answered with cause; all later ones are, too
}

// command is a command that awaits its answer.
type command struct {
	run      func(c *beanstalk.Conn) error
	deadline time.Time // for its answer
	sent     bool      // its goroutine has written it
	ended    bool      // guarded by connection.mu
	err      error     // guarded by connection.mu
	fatal    bool      // guarded by connection.mu; err is not an answer
	answered func(error)
}

// errNoAnswer is the cause if no answer came in time.
var errNoAnswer = fmt.Errorf("no answer for %v", answerTimeout)

func newConnection(nc net.Conn, address string) *connection {
	c := &connection{nc: nc, address: address, wrote: make(chan struct{}, 1), idle: make(chan *command), in: make([]byte, 4096)}
	c.checker = checker{answers: answers(), next: c.nextAnswer, checkedBuf: make([]byte, 0, len(c.in)+maxLine)}
	c.lib = beanstalk.NewConn(stream{c})
	return c
}

// stream is the connection as the library sees it.
type stream struct{ c *connection }

// Read implements io.Reader. It returns only whole lines that were checked: the library would accept a line that is cut off by the
// end of the connection.
func (s stream) Read(p []byte) (int, error) {
	c := &s.c.checker
	for len(c.checked) == 0 {
		if err := s.c.read(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.checked)
	if c.checked = c.checked[n:]; len(c.checked) == 0 {
		c.checked = c.checkedBuf[:0]
	}
	return n, nil
}

// read reads the bytes that have arrived. It waits until the deadline of the oldest command.
func (c *connection) read() error {
	n, err := c.readUntil(c.deadline())
	if errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(c.deadline()) {
		// If this process was suspended, the answer may have arrived meanwhile.
		n, err = c.readUntil(time.Now().Add(lastRead))
	}
	switch {
	case n > 0:
		if err := c.checker.check(c.in[:n]); err != nil {
			_ = c.fail(err) // the next read returns it, after the whole lines
		}
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		if time.Now().Before(c.deadline()) { // it was the deadline of a command that is answered by now
			return nil
		}
		return c.fail(errNoAnswer)
	case errors.Is(err, io.EOF):
		return c.fail(errClosed)
	case err != nil:
		return c.fail(err)
	}
	return nil
}

func (c *connection) readUntil(deadline time.Time) (int, error) {
	if err := c.nc.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	return c.nc.Read(c.in)
}

var errClosed = errors.New("the server closed the connection")

// deadline returns the deadline of the oldest command.
func (c *connection) deadline() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.awaiting) == 0 {
		return time.Now().Add(answerTimeout)
	}
	return c.awaiting[0].deadline
}

// Write implements io.Writer.
func (s stream) Write(p []byte) (int, error) {
	c := s.c
	if cmd := c.sending; cmd != nil && !cmd.sent {
		cmd.sent = true
		defer func() { c.wrote <- struct{}{} }()
	}
	if c.buffered {
		c.out = append(c.out, p...)
		return len(p), c.broken()
	}
	return c.write(p)
}

func (c *connection) write(p []byte) (int, error) {
	if err := c.nc.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, c.fail(err)
	}
	n, err := c.nc.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errNoAnswer
	}
	if err != nil {
		return n, c.fail(err)
	}
	return n, nil
}

// Close implements io.Closer for the library, which does not call it by itself.
func (s stream) Close() error { return s.c.nc.Close() }

// answerKind is the kind of answer to a command.
type answerKind bool

const (
	lineOnly answerKind = false
	withBody answerKind = true // a line and a body
)

// expect registers a command that is about to be sent.
func (c *connection) expect(k answerKind, cmd *command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaiting = append(c.awaiting, cmd)
	c.bodied = append(c.bodied, bool(k))
}

// nextAnswer implements checker.next.
func (c *connection) nextAnswer() (bodied, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.bodied) == 0 {
		return false, false
	}
	bodied = c.bodied[0]
	c.bodied = c.bodied[1:]
	return bodied, true
}

// send begins a command and returns when it is written. answered is called once, in the order of the commands. wait is how long
// beanstalkd may wait for a job before it answers. send must be called by one goroutine at a time.
func (c *connection) send(wait time.Duration, k answerKind, f func(c *beanstalk.Conn) error, answered func(error)) {
	cmd := &command{run: f, deadline: time.Now().Add(wait + answerTimeout), answered: answered}
	c.expect(k, cmd)
	c.sending = cmd
	select {
	case c.idle <- cmd:
	default:
		c.running.Go(func() { c.runCommands(cmd) })
	}
	<-c.wrote
}

// runCommands runs a command, and then others, until close.
func (c *connection) runCommands(cmd *command) {
	for ok := true; ok; cmd, ok = <-c.idle {
		err := cmd.run(c.lib)
		if !cmd.sent { // the library failed before it wrote
			cmd.sent = true
			c.wrote <- struct{}{}
		}
		c.answer(cmd, err)
	}
}

// flush writes the buffered commands.
func (c *connection) flush() {
	if len(c.out) == 0 {
		return
	}
	_, _ = c.write(c.out) // an error fails the connection, and so all commands
	c.out = c.out[:0]
}

// call runs one command and returns its answer. No other command may run meanwhile. If ctx ends first, the connection fails.
func (c *connection) call(ctx context.Context, k answerKind, f func(c *beanstalk.Conn) error) error {
	done := make(chan error, 1)
	cmd := &command{deadline: time.Now().Add(answerTimeout), answered: func(err error) { done <- err }}
	c.expect(k, cmd)
	c.running.Go(func() { c.answer(cmd, f(c.lib)) })
	defer context.AfterFunc(ctx, func() { _ = c.fail(context.Cause(ctx)) })()
	return <-done
}

// answer records the answer to a command, and calls answered after those of all earlier commands.
func (c *connection) answer(cmd *command, err error) {
	err, fatal := c.translate(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd.ended, cmd.err, cmd.fatal = true, err, fatal
	for len(c.awaiting) > 0 && c.awaiting[0].ended {
		first := c.awaiting[0]
		c.awaiting[0] = nil
		c.awaiting = c.awaiting[1:]
		if c.failed { // later answers that the library read may be wrong
			first.err = c.cause
		}
		c.failed = c.failed || first.fatal
		first.answered(first.err)
	}
}

// translate turns an error of the library into one of package queue. An error that is not an answer is fatal and ends the
// connection: the next answer could belong to another command.
func (c *connection) translate(err error) (translated error, fatal bool) {
	switch {
	case err == nil:
		return nil, false
	case errors.Is(err, beanstalk.ErrTimeout), errors.Is(err, beanstalk.ErrDeadline):
		return queue.ErrEmpty, false
	case errors.Is(err, beanstalk.ErrNotFound):
		return queue.ErrNotFound, false
	}
	if errors.Is(err, beanstalk.ErrBuried) {
		return fmt.Errorf("beanstalkd: %w: it is out of memory for the queue", queue.ErrBuried), false
	}
	for refusal, text := range refusals() {
		if errors.Is(err, refusal) {
			return fmt.Errorf("beanstalkd: %w: %s", queue.ErrRefused, text), false
		}
	}
	if connErr, ok := errors.AsType[beanstalk.ConnError](err); ok {
		err = connErr.Err
	}
	return c.fail(fmt.Errorf("%w: %w", errOutOfStep, err)), true
}

// refusals describes the answers that refuse a command and leave the connection good.
func refusals() map[error]string {
	return map[error]string{
		beanstalk.ErrDraining:  "it is draining and takes no more jobs",
		beanstalk.ErrJobTooBig: "the job is larger than it accepts",
		beanstalk.ErrOOM:       "it is out of memory",
		beanstalk.ErrInternal:  "it has an internal error",
	}
}

// fail closes the connection and returns why: the first cause counts.
func (c *connection) fail(err error) error {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = fmt.Errorf("beanstalkd: %s: %w", c.address, queue.WithoutAddresses(err))
	}
	cause := c.cause
	c.mu.Unlock()
	_ = c.nc.Close() // the cause is what counts
	return cause
}

// broken returns why the connection has failed, or nil.
func (c *connection) broken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// close closes the connection and waits for its commands. It must be called once, by the goroutine that sends.
func (c *connection) close() {
	_ = c.fail(net.ErrClosed)
	close(c.idle)
	c.running.Wait()
}

// isLocal reports whether the server is on this machine.
func (c *connection) isLocal() bool {
	if _, isSocket := c.nc.RemoteAddr().(*net.UnixAddr); isSocket {
		return true
	}
	peer, err := netip.ParseAddrPort(c.nc.RemoteAddr().String())
	return err == nil && peer.Addr().Unmap().IsLoopback()
}
