// Package beanstalkd speaks with beanstalkd: it implements what engine/queue asks of a service. It owns the protocol's
// traps, of which there are many: names that would shift every later answer, connections that hang, answers of somebody
// else's protocol. It does not know what a job says, nor when it is done.
//
// The library's Conn has no deadlines, and its commands block until they are answered. So every connection is a link, which
// bounds each command, looks at each answer before the library does, and is never used again once one is out of step.
package beanstalkd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/beanstalkd/go-beanstalk"

	"perigee/engine/queue"
)

var _ queue.Driver = (*Driver)(nil)

// Driver takes jobs from the beanstalkd at one address.
type Driver struct {
	// Set by New, never changed.
	address string
	log     *slog.Logger
	warned  sync.Once
}

// New returns a driver for an address: host:port, or the absolute path of a socket. Nothing is connected yet.
func New(address string, log *slog.Logger) *Driver {
	return &Driver{address: address, log: log}
}

// Open connects, makes sure that it is beanstalkd who answers, and returns a source of the jobs of one tube.
func (d *Driver) Open(ctx context.Context, tube string) (queue.Source, error) {
	if err := CheckName(tube); err != nil {
		return nil, err
	}
	l, err := dial(ctx, d.address)
	if err != nil {
		return nil, err
	}
	if !l.loopback() {
		d.warned.Do(func() {
			d.log.Warn("beanstalkd: not on this machine; it asks for no password: whoever reaches it can run commands",
				"address", d.address)
		})
	}
	return newSource(l, tube), nil
}

// dial connects, and has the service show that it is beanstalkd.
func dial(ctx context.Context, address string) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	var dialer net.Dialer
	network := "tcp"
	if filepath.IsAbs(address) {
		network = "unix"
	}
	nc, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("beanstalkd: %s: %w", address, plain(err))
	}
	l := newLink(nc, address)
	if err := l.greet(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// greet asks for something that is always answered and changes nothing.
func (l *link) greet(ctx context.Context) error {
	return l.call(ctx, text, func(c *beanstalk.Conn) error {
		_, err := c.ListTubes()
		return err
	})
}

// The longest time that beanstalkd may take to answer; it answers in microseconds unless it is stopped or far away.
const patience = 5 * time.Second

// CheckName tells whether a tube can have a name: one that the library would send but beanstalkd refuses, or that the
// library refuses after it has counted the command, spoils the connection.
func CheckName(name string) error {
	const longest = 199 // the library's; beanstalkd takes 200
	if name == "" || len(name) > longest || name[0] == '-' {
		return fmt.Errorf("beanstalkd: %.220q is not the name of a tube: it has 1 to %d characters and no hyphen in front",
			name, longest)
	}
	for i := range len(name) {
		if !inName(name[i]) {
			return fmt.Errorf("beanstalkd: %q is not the name of a tube: it has letters, digits and -+/;.$_() only", name)
		}
	}
	return nil
}

// inName tells whether a character may stand in a name (beanstalkd's protocol.txt, "Names").
func inName(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	switch c {
	case '-', '+', '/', ';', '.', '$', '_', '(', ')':
		return true
	}
	return false
}
