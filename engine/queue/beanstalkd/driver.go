// Package beanstalkd owns the connections to beanstalkd, behind the interfaces of package queue. It guards against invalid
// names, which would shift all later answers, connections that hang, and servers of other protocols. It must not know what the
// body of a job means, nor when a job is done.
//
// The library's Conn has no deadlines, and its commands block until they are answered. So every connection is wrapped: it gives
// each command a deadline, checks each answer before the library reads it, and is not used again after an invalid answer.
package beanstalkd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/queue"
)

var _ queue.Driver = (*Driver)(nil)

// Driver opens connections that reserve jobs from the beanstalkd at one address.
type Driver struct {
	// Set by New, never changed.
	address string
	log     *slog.Logger
	warned  sync.Once // the warning that the address is not on this machine
}

// New returns a driver for an address: host:port, or the absolute path of a Unix socket. It does not connect yet.
func New(address string, log *slog.Logger) *Driver {
	return &Driver{address: address, log: log}
}

// Open connects, checks that the server is beanstalkd, and returns a source of the jobs of one tube.
func (d *Driver) Open(ctx context.Context, tube string) (queue.Source, error) {
	if err := CheckName(tube); err != nil {
		return nil, err
	}
	c, err := dial(ctx, d.address)
	if err != nil {
		return nil, err
	}
	if !c.isLocal() {
		d.warned.Do(func() {
			d.log.Warn("beanstalkd: the queue is on another machine; beanstalkd has no password, so anyone who can reach it can run commands",
				"address", d.address)
		})
	}
	return newSource(c, tube), nil
}

// dial connects, and checks that the server is beanstalkd.
func dial(ctx context.Context, address string) (*connection, error) {
	limited, cancel := context.WithTimeoutCause(ctx, answerTimeout, errNoAnswer)
	defer cancel()
	var dialer net.Dialer
	network := "tcp"
	if filepath.IsAbs(address) {
		network = "unix"
	}
	nc, err := dialer.DialContext(limited, network, address)
	if err != nil {
		return nil, fmt.Errorf("beanstalkd: %s: %w", address, queue.WithoutAddresses(err))
	}
	c := newConnection(nc, address)
	if err := c.verify(ctx); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// verify sends a command that has no effect and is always answered.
func (c *connection) verify(ctx context.Context) error {
	return c.call(ctx, withBody, func(c *beanstalk.Conn) error {
		_, err := c.ListTubes()
		return err
	})
}

// answerTimeout is how long beanstalkd may take to answer a command. It usually answers in microseconds.
const answerTimeout = 5 * time.Second

// lastRead is how long an answer is read for after its deadline.
const lastRead = time.Second

// CheckName returns an error if a name is not valid for a tube. Sending an invalid name would put the connection out of step: the
// library sends names that beanstalkd refuses, and refuses others only after it has counted the command.
func CheckName(name string) error {
	const longest = 199 // the library's limit; beanstalkd allows 200
	// beanstalkd's protocol.txt, "Names".
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+/;.$_()"
	if name == "" || len(name) > longest || name[0] == '-' {
		return fmt.Errorf("beanstalkd: %.220q is not a valid tube name: a name has 1 to %d characters and does not begin with a hyphen",
			name, longest)
	}
	if strings.ContainsFunc(name, func(c rune) bool { return !strings.ContainsRune(allowed, c) }) {
		return fmt.Errorf("beanstalkd: %q is not a valid tube name: a name has only letters, digits and -+/;.$_()", name)
	}
	return nil
}
