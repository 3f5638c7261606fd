// Package fetch owns the HTTP requests of scripts: it limits their time, their size and their number, and refuses redirects from a
// public to a private address. It must not know scripts or the loop: it calls the caller back.
//
// It ignores the proxy settings of the environment, because it checks the addresses that it dials.
package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"perigee/engine/quota"
)

// Limits of a connection. Those of a request are in Options.
const (
	dialTimeout  = 5 * time.Second
	tlsTimeout   = 5 * time.Second
	idleTimeout  = 90 * time.Second
	idlePerHost  = 64       // idle connections kept for the next request
	idleTotal    = 256      // the same for all hosts together
	maxHeader    = 64 << 10 // bytes, of a response
	maxRedirects = 5
)

// Options are the limits of a Client. All numbers must be above 0.
type Options struct {
	// Timeout is how long a request may take, including redirects, the body and the wait for its turn, unless the request has a
	// Timeout.
	Timeout time.Duration
	// MaxBody is the maximum size of the body of a request, and of a response after decompression, in bytes.
	MaxBody int64
	// MaxRequests is how many requests may be in flight at once or have a response that has not been taken yet. Others wait for
	// their turn; the owners of requests take turns, and none has more in flight than it leaves room for those of others.
	MaxRequests int
	// MaxPerConnection is the same for the requests of one owner that has limits, which is a connection. 0 means no limit.
	MaxPerConnection int
	// OnLimit is called by any goroutine when a limit makes a request fail. Optional.
	OnLimit func(l Limit)
	// RedirectsToPrivate allows redirects from public to private addresses.
	RedirectsToPrivate bool
}

// Limit is a limit of the Options that makes requests fail.
type Limit int

// Limits of the Options of that name. MaxRequests and MaxPerConnection fail a request that waits for its turn for too long.
const (
	MaxRequests Limit = iota
	MaxPerConnection
	MaxBody
)

// Request is an HTTP request.
type Request struct {
	Method string // optional; GET if empty
	URL    string // http or https; user:password@ becomes an Authorization header
	Header http.Header
	Body   []byte
	// Timeout is optional. If it is 0, that of the Options applies.
	Timeout time.Duration
	// Owner is on whose behalf the request is made; nil is the server itself.
	Owner *quota.Owner
}

// Response is a complete response with any status.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Client sends requests and keeps idle connections. It is safe for concurrent use.
type Client struct {
	// Set by New, never changed.
	options Options
	client  *http.Client
	// publicOnly connects to public addresses only. It does not share connections with unrestricted, whose connections were
	// dialled without a check.
	unrestricted, publicOnly *http.Transport
	isPrivate                func(netip.Addr) bool
	slots                    *slots // of requests that are in flight or have not been taken

	running sync.WaitGroup // requests of Start
}

// New returns a client. The caller must close it.
func New(o Options) *Client {
	c := &Client{options: o, isPrivate: IsPrivate, slots: newSlots(o)}
	c.unrestricted = newTransport(&net.Dialer{Timeout: dialTimeout})
	c.publicOnly = newTransport(&net.Dialer{Timeout: dialTimeout, Control: c.checkAddress})
	c.client = &http.Client{Transport: c, CheckRedirect: c.checkRedirect}
	return c
}

func newTransport(d *net.Dialer) *http.Transport {
	return &http.Transport{
		DialContext:            d.DialContext,
		TLSHandshakeTimeout:    tlsTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           idleTotal,
		MaxIdleConnsPerHost:    idlePerHost,
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true,
	}
}

// Start starts a request and returns. done is called once with the outcome, by another goroutine. The caller must call cancel after
// it has taken the outcome: until then the request counts as in flight, so that responses that arrive faster than they are taken do
// not fill the memory. An earlier cancel ends the request; done is still called.
func (c *Client) Start(r Request, done func(Response, error)) (cancel func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c.running.Go(func() {
		defer cancel()
		err := c.do(ctx, r, func(response Response) {
			done(response, nil)
			<-ctx.Done()
		})
		if err != nil {
			done(Response{}, err)
		}
	})
	return cancel
}

// Close waits for the requests of Start and closes the idle connections. Callers must cancel their requests before, and must not
// start new ones.
func (c *Client) Close() {
	c.running.Wait()
	c.unrestricted.CloseIdleConnections()
	c.publicOnly.CloseIdleConnections()
}

// do sends a request and calls take with the response before it lets the next request start. The error is an *Error; then take is
// not called.
func (c *Client) do(ctx context.Context, r Request, take func(Response)) error {
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = c.options.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := c.newRequest(c.trackRedirects(ctx), r)
	if err != nil {
		return c.fail(err)
	}
	if limit, err := c.slots.acquire(ctx, r); err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			return failure(err)
		}
		c.reached(limit)
		return failure(errTooMany)
	}
	defer c.slots.release(r)
	response, err := c.exchange(request)
	if err != nil {
		return c.fail(err)
	}
	take(response)
	return nil
}

// fail returns the error of a request, and reports a body that is too large.
func (c *Client) fail(err error) *Error {
	if errors.Is(err, errRequestTooLarge) || errors.Is(err, errTooLarge) {
		c.reached(MaxBody)
	}
	return failure(err)
}

func (c *Client) reached(l Limit) {
	if c.options.OnLimit != nil {
		c.options.OnLimit(l)
	}
}

// exchange sends a request and reads the complete response.
func (c *Client) exchange(request *http.Request) (Response, error) {
	response, err := c.client.Do(request)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = response.Body.Close() }() // the body has been read
	if response.StatusCode == http.StatusSwitchingProtocols {
		return Response{}, errSwitched // its body is the connection, which the context does not close
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, c.options.MaxBody+1))
	switch {
	case err != nil:
		return Response{}, err
	case int64(len(body)) > c.options.MaxBody:
		return Response{}, errTooLarge
	}
	return Response{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// newRequest returns the request for net/http.
func (c *Client) newRequest(ctx context.Context, r Request) (*http.Request, error) {
	if int64(len(r.Body)) > c.options.MaxBody {
		return nil, errRequestTooLarge
	}
	target, err := url.Parse(r.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errURL, err)
	case target.Scheme != "http" && target.Scheme != "https":
		return nil, errScheme
	case target.Hostname() == "":
		return nil, errURL
	}
	request, err := http.NewRequestWithContext(ctx, strings.ToUpper(r.Method), r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRequest, err)
	}
	request.URL.RawQuery = escapeQuery(request.URL.RawQuery)
	if r.Header != nil {
		request.Header = r.Header.Clone()
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
		request.Header.Del("Host")
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "perigee")
	}
	return request, nil
}

// escapeQuery escapes characters that are not allowed in a query: spaces, control characters, quotes, angle brackets and non-ASCII
// bytes. It leaves everything else as it is, including separators and what is escaped already.
func escapeQuery(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c <= ' ' || c >= 0x7F || c == '"' || c == '<' || c == '>' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
