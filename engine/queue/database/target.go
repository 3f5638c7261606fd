package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/lib/pq"
	"modernc.org/sqlite"
)

// target is a database and its dialect of SQL.
type target struct {
	// address is the DSN without user and password.
	address string
	// through returns what connects through a dialer.
	through func(d *dialer) (driver.Connector, error)
	// listenDSN is the DSN with which pq listens for notifications; "" if the database has none.
	listenDSN string
	// begin begins a transaction that does not wait for others later on.
	begin string
	// lock ends a query whose rows are to be locked; skipLocked leaves out those that others have locked.
	lock, skipLocked string
	// version asks for the version of a database of which old versions cannot skip locked rows; "" if all can, or need not.
	version string
	// setup is executed on a connection before it reserves jobs. Optional.
	setup string
	// quote is the character around names.
	quote string
	// numbered tells that arguments are $1, $2 and so on; returning that an insert returns the ID.
	numbered, returning bool
}

// parse reads a DSN. No error shows its password.
func parse(dsn string) (*target, error) {
	scheme, rest, ok := strings.Cut(dsn, "://")
	if !ok {
		return nil, errors.New(`database: the dsn is missing, or no URL; write for example "postgres://user:password@127.0.0.1/app"`)
	}
	if scheme == "sqlite" {
		return parseSQLite(rest)
	}
	u, err := url.Parse(dsn)
	if err != nil { // its text has the password
		return nil, errors.New("database: the dsn is not a valid URL; write special characters of the password as in %40 for @")
	}
	public := url.URL{Scheme: scheme, Host: u.Host, Path: u.Path}
	switch scheme {
	case "postgres", "postgresql", "pgsql":
		return parsePostgres(u, public.String())
	case "mysql", "mariadb":
		return parseMySQL(u, public.String())
	default:
		return nil, fmt.Errorf("database: %.20q is no known scheme of a dsn; write postgres://, mysql:// or sqlite://", scheme)
	}
}

func parsePostgres(u *url.URL, address string) (*target, error) {
	u.Scheme = "postgres"
	values := u.Query()
	if !values.Has("sslmode") {
		values.Set("sslmode", "prefer") // as Laravel and psql do
	}
	u.RawQuery = values.Encode()
	dsn := u.String()
	if _, err := pq.NewConnector(dsn); err != nil {
		return nil, fmt.Errorf("database: the dsn for %s: %w", address, err)
	}
	return &target{
		address: address, listenDSN: dsn, begin: "BEGIN", lock: " FOR UPDATE", skipLocked: " FOR UPDATE SKIP LOCKED",
		quote: `"`, numbered: true, returning: true,
		through: func(d *dialer) (driver.Connector, error) {
			c, err := pq.NewConnector(dsn)
			if err == nil {
				c.Dialer(d)
			}
			return c, err
		},
	}, nil
}

func parseMySQL(u *url.URL, address string) (*target, error) {
	values := u.Query()
	network, host := "tcp", u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "3306")
	}
	if socket := values.Get("unix_socket"); socket != "" { // as in Laravel's config/database.php
		network, host = "unix", socket
		values.Del("unix_socket")
	}
	c, err := mysql.ParseDSN(fmt.Sprintf("%s(%s)/%s?%s", network, host, url.PathEscape(strings.TrimPrefix(u.Path, "/")), values.Encode()))
	if err != nil {
		return nil, fmt.Errorf("database: the dsn for %s: %w", address, err)
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.ClientFoundRows = true   // a touch within the same second changes no row
	c.InterpolateParams = true // one round trip for a statement
	c.Logger = &mysql.NopLogger{}
	return &target{
		address: address, begin: "START TRANSACTION", lock: " FOR UPDATE", skipLocked: " FOR UPDATE SKIP LOCKED", version: "SELECT VERSION()",
		// In the usual level, a reserve would lock the gap in which others insert.
		setup: "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		quote: "`",
		through: func(d *dialer) (driver.Connector, error) {
			dialing := c.Clone()
			dialing.DialFunc = d.DialContext
			return mysql.NewConnector(dialing)
		},
	}, nil
}

func parseSQLite(path string) (*target, error) {
	if path == "" {
		return nil, errors.New(`database: the dsn has no path; write for example "sqlite:///var/www/app/database/database.sqlite"`)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database: the path of the dsn: %w", err)
	}
	file := url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(path), "/")}
	name := file.String() + "?mode=rw&_pragma=busy_timeout(2000)" // a missing file is an error
	return &target{
		address: "sqlite://" + path, begin: "BEGIN IMMEDIATE", quote: `"`,
		through: func(*dialer) (driver.Connector, error) { return sqliteConnector(name), nil },
	}, nil
}

// sqliteConnector opens the file with a name.
type sqliteConnector string

// Connect implements driver.Connector.
func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return c.Driver().Open(string(c))
}

// Driver implements driver.Connector.
func (c sqliteConnector) Driver() driver.Driver { return &sqlite.Driver{} }

// quoted quotes the name of a table, whose parts dots separate.
func (t *target) quoted(name string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = t.quote + strings.ReplaceAll(part, t.quote, t.quote+t.quote) + t.quote
	}
	return strings.Join(parts, ".")
}

// rebind writes the arguments of a statement as the database wants them.
func (t *target) rebind(statement string) string {
	if !t.numbered {
		return statement
	}
	parts := strings.Split(statement, "?")
	for i := range parts[1:] {
		parts[i] += "$" + strconv.Itoa(i+1)
	}
	return strings.Join(parts, "")
}

// skipsLocked reports whether a database with a version can skip locked rows: MySQL from 8.0.1, MariaDB from 10.6 on.
func skipsLocked(version string) bool {
	m := regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(version)
	if m == nil {
		return false
	}
	number := 0
	for _, part := range m[1:] {
		n, err := strconv.Atoi(part)
		if err != nil || n > 999 {
			return false
		}
		number = 1000*number + n
	}
	if strings.Contains(version, "MariaDB") {
		return number >= 10_006_000
	}
	return number >= 8_000_001
}

// dialer dials connections with which each read and write ends in time, and can close them all.
type dialer struct {
	mu    sync.Mutex
	conns map[*timedConn]bool // guarded by mu; whether the database has accepted them
}

var (
	_ pq.Dialer        = (*dialer)(nil)
	_ pq.DialerContext = (*dialer)(nil)
)

// DialContext implements pq.DialerContext.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nc, err := (&net.Dialer{Timeout: answerTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &timedConn{Conn: nc, d: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns == nil {
		d.conns = map[*timedConn]bool{}
	}
	d.conns[c] = false
	return c, nil
}

// Dial implements pq.Dialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout implements pq.Dialer.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// kill closes the connections that the database has not accepted yet, or all.
func (d *dialer) kill(all bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c, accepted := range d.conns {
		if all || !accepted {
			_ = c.Conn.Close()
		}
	}
}

// connector connects through a dialer, no longer than its context allows: pq does not heed that once it has dialed.
type connector struct {
	driver.Connector
	dialer *dialer
}

func (t *target) connector(d *dialer) (connector, error) {
	c, err := t.through(d)
	return connector{c, d}, err
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	stop := context.AfterFunc(ctx, func() { c.dialer.kill(false) })
	defer stop()
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c.dialer.mu.Lock()
	defer c.dialer.mu.Unlock()
	for dialed := range c.dialer.conns {
		c.dialer.conns[dialed] = true
	}
	return made, nil
}

// timedConn is a connection that a database which hangs does not block.
type timedConn struct {
	net.Conn
	d *dialer
}

// Read implements net.Conn.
func (c *timedConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *timedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *timedConn) Close() error {
	c.d.mu.Lock()
	delete(c.d.conns, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}
