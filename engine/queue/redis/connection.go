package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"perigee/engine/config"
	"perigee/engine/queue"
)

// answerTimeout is how long a server may take to answer. It usually answers in microseconds.
const answerTimeout = 5 * time.Second

// maxRedirects bounds how often the servers of a cluster may send a connection on to another.
const maxRedirects = 5

// connection is a connection to the server that has one queue.
type connection struct {
	redis.Conn

	// Set by dial, never changed.
	nc          net.Conn
	address     string // without user and password
	hasPassword bool
	scripts     scripts
	keys        keys
	ttr         float64 // seconds
}

// dial connects to the server that has a queue, and loads the scripts.
func dial(ctx context.Context, s Settings, name string) (*connection, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	a, err := config.ParseRedisAddress(s.Address)
	if err != nil {
		return nil, fmt.Errorf("redis: the address %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if a.Master != "" {
		if a.Hosts, err = askSentinels(ctx, a); err != nil {
			return nil, err
		}
	}
	for _, host := range a.Hosts { // of a cluster, any that answers
		var c *connection
		for range maxRedirects {
			c, err = dialHost(ctx, a, host, s, keysOf(s.Prefix, name))
			moved := movedTo(err)
			if moved == "" {
				break
			}
			host = moved
		}
		if err == nil {
			return c, nil
		}
	}
	return nil, err
}

// dialHost connects to one server and checks that it has the queue.
func dialHost(ctx context.Context, a config.RedisAddress, host string, s Settings, k keys) (*connection, error) {
	c := &connection{address: host, hasPassword: a.Password != "", scripts: newScripts(), keys: k, ttr: s.TTR.Seconds()}
	var err error
	if c.Conn, c.nc, err = connect(ctx, a, host); err != nil {
		return nil, c.translate(err)
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	for _, script := range c.scripts.all() {
		if err := script.Load(c); err != nil {
			return nil, errors.Join(c.translate(err), c.Close())
		}
	}
	if _, err := c.touch(job{}); err != nil { // it finds no such job
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// connect opens a connection, with user, password and database.
func connect(ctx context.Context, a config.RedisAddress, host string) (c redis.Conn, nc net.Conn, err error) {
	var dialer net.Dialer
	c, err = redis.DialContext(ctx, a.Network, host,
		redis.DialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err = dialer.DialContext(ctx, network, address)
			return nc, err
		}),
		redis.DialReadTimeout(answerTimeout), redis.DialWriteTimeout(answerTimeout), redis.DialUseTLS(a.TLS),
		redis.DialUsername(a.User), redis.DialPassword(a.Password), redis.DialDatabase(a.Database))
	return c, nc, err
}

// askSentinels returns the address of the master that the first sentinel that answers names.
func askSentinels(ctx context.Context, a config.RedisAddress) ([]string, error) {
	var errs []error
	for _, sentinel := range a.Hosts {
		c, _, err := connect(ctx, config.RedisAddress{Network: a.Network, TLS: a.TLS}, sentinel)
		if err == nil {
			var master []string
			master, err = redis.Strings(redis.DoContext(c, ctx, "SENTINEL", "get-master-addr-by-name", a.Master))
			_ = c.Close() // it has answered
			if err == nil && len(master) == 2 {
				return []string{net.JoinHostPort(master[0], master[1])}, nil
			}
			if errors.Is(err, redis.ErrNil) {
				err = fmt.Errorf("it knows no master with the name %q", a.Master)
			}
		}
		errs = append(errs, fmt.Errorf("redis: sentinel %s: %w", sentinel, queue.WithoutAddresses(err)))
	}
	return nil, errors.Join(errs...)
}

// call runs a script and returns its answer.
func (c *connection) call(script *redis.Script, arguments ...any) (any, error) {
	if err := c.send(script, arguments...); err != nil {
		return nil, c.translate(err)
	}
	if err := c.Flush(); err != nil {
		return nil, c.translate(err)
	}
	answer, err := c.Receive()
	return answer, c.translate(err)
}

// send begins a script.
func (c *connection) send(script *redis.Script, arguments ...any) error {
	return script.SendHash(c, slices.Concat(c.keys.all(), arguments)...)
}

// reserve reserves up to n jobs. due is how long it takes until another job will be due, or 0.
func (c *connection) reserve(n int) (jobs []job, due time.Duration, err error) {
	answer, err := c.call(c.scripts.reserve, c.ttr, n, newID())
	if err != nil {
		return nil, 0, err
	}
	return readReserved(answer)
}

// readReserved reads the answer of the script that reserves jobs.
func readReserved(answer any) (jobs []job, due time.Duration, err error) {
	parts, err := redis.Values(answer, nil)
	if err != nil || len(parts) != 2 {
		return nil, 0, fmt.Errorf("redis: unexpected answer of a script: %w", errors.Join(err))
	}
	members, err := redis.Strings(parts[0], nil)
	seconds, errDue := redis.Float64(parts[1], nil)
	if errDue == nil {
		due = max(time.Millisecond, time.Duration(seconds*float64(time.Second)))
	}
	for _, member := range members {
		jobs = append(jobs, readJob(member))
	}
	return jobs, due, err
}

// touch reserves a job for longer, and reports whether it was still reserved.
func (c *connection) touch(j job) (found bool, err error) {
	n, err := redis.Int(c.call(c.scripts.touch, j.member, c.ttr))
	return n == 1, err
}

// isLocal reports whether the server is on this machine.
func (c *connection) isLocal() bool {
	if _, isSocket := c.nc.RemoteAddr().(*net.UnixAddr); isSocket {
		return true
	}
	peer, err := netip.ParseAddrPort(c.nc.RemoteAddr().String())
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// translate names the server in an error, and adds a remedy if there is one.
func (c *connection) translate(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("redis: %s: %w", c.address, queue.WithoutAddresses(err))
	answer, isAnswer := errors.AsType[redis.Error](err)
	if !isAnswer {
		return err
	}
	word, _, _ := strings.Cut(string(answer), " ")
	switch word {
	case "NOAUTH", "WRONGPASS":
		return fmt.Errorf("%w; write user and password into queue.address: redis://USER:PASSWORD@HOST", err)
	case "CROSSSLOT":
		return fmt.Errorf(`%w: in a cluster, the name of a queue stands in braces, here and in Laravel: "{default}"`, err)
	}
	return err
}

// movedTo returns the address of the server that has the queue, if an error says that another has it.
func movedTo(err error) string {
	answer, _ := errors.AsType[redis.Error](err)
	if fields := strings.Fields(string(answer)); len(fields) == 3 && fields[0] == "MOVED" {
		return fields[2]
	}
	return ""
}

// CheckName returns an error if a name is not valid for a queue.
func CheckName(name string) error {
	const longest = 199 // as in the settings
	if name == "" || len(name) > longest || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return fmt.Errorf("redis: %.220q is not a valid name of a queue: a name has 1 to %d characters and no spaces", name, longest)
	}
	return nil
}
