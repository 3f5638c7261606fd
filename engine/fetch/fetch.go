// Package fetch is the server's HTTP client: requests with bounds on their time, their size and their number, which
// cannot be redirected from a public address into the machine's own network. It knows no script and no loop; whoever
// asks is called back.
//
// Proxies of the environment are not used: the addresses that count are those that are really dialled.
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
)

// Bounds of a connection; those of a request are in Options.
const (
	dialTimeout  = 5 * time.Second
	tlsTimeout   = 5 * time.Second
	idleTimeout  = 90 * time.Second
	idlePerHost  = 64       // connections that are kept for the next request
	idleTotal    = 256      // the same, of all hosts together
	maxHeader    = 64 << 10 // bytes, of a response
	maxRedirects = 5
)

// Options are the bounds of a Client. All must be above 0.
type Options struct {
	// Timeout is how long a request may take as a whole, redirects, body and the wait for its turn included, unless the
	// request says otherwise.
	Timeout time.Duration
	// MaxBody is how many bytes the body of a response may have, unpacked, and that of a request.
	MaxBody int64
	// MaxRequests is how many requests are under way at once, or have an answer that nobody has taken yet; more wait for
	// their turn.
	MaxRequests int
	// RedirectsToPrivate lets public addresses redirect to private ones.
	RedirectsToPrivate bool
}

// Request is what is asked for.
type Request struct {
	Method string // GET where empty
	URL    string // http or https; user:password@ becomes an Authorization header
	Header http.Header
	Body   []byte
	// Timeout is that of the Options where 0.
	Timeout time.Duration
}

// Response is what was answered, whatever the status.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Client makes requests and keeps connections for the next ones. Any goroutine may use it.
type Client struct {
	// Set by New, never changed.
	options Options
	client  *http.Client
	// The connections of guarded lead to public addresses only. They are kept apart from those of open, so that one that
	// was dialled without looking is never used where it matters.
	open, guarded *http.Transport
	isPrivate     func(netip.Addr) bool
	slots         chan struct{} // holds one for each request that is under way or has not been taken

	running sync.WaitGroup // requests begun by Start
}

// New returns a client. The owner closes it.
func New(o Options) *Client {
	c := &Client{options: o, isPrivate: IsPrivate, slots: make(chan struct{}, o.MaxRequests)}
	c.open = transport(&net.Dialer{Timeout: dialTimeout})
	c.guarded = transport(&net.Dialer{Timeout: dialTimeout, Control: c.control})
	c.client = &http.Client{Transport: c, CheckRedirect: c.redirect}
	return c
}

func transport(d *net.Dialer) *http.Transport {
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

// Start begins a request and returns at once. done is called once with the outcome, on another goroutine. cancel is called
// once the outcome has been taken: until then an answer counts as under way, so that answers which come faster than they
// are taken do not fill the memory. Called earlier, it ends the request; done is called all the same.
func (c *Client) Start(r Request, done func(Response, error)) (cancel func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c.running.Go(func() {
		defer cancel()
		err := c.do(ctx, r, func(answer Response) {
			done(answer, nil)
			<-ctx.Done()
		})
		if err != nil {
			done(Response{}, err)
		}
	})
	return cancel
}

// Close waits for what was begun by Start, and lets go of the connections. Whoever began a request cancels it before;
// none may begin any more.
func (c *Client) Close() {
	c.running.Wait()
	c.open.CloseIdleConnections()
	c.guarded.CloseIdleConnections()
}

// Do makes a request and waits for the whole response. The error is an *Error.
func (c *Client) Do(ctx context.Context, r Request) (answer Response, err error) {
	err = c.do(ctx, r, func(taken Response) { answer = taken })
	return answer, err
}

// do makes a request and calls take with the response before it makes room for another. The error is an *Error; take has
// not been called then.
func (c *Client) do(ctx context.Context, r Request, take func(Response)) error {
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = c.options.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := c.request(c.follow(ctx), r)
	if err != nil {
		return failure(err)
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return failure(errTooMany)
		}
		return failure(ctx.Err())
	}
	answer, err := c.exchange(request)
	if err != nil {
		return failure(err)
	}
	take(answer)
	return nil
}

// exchange sends a request and reads the whole response.
func (c *Client) exchange(request *http.Request) (Response, error) {
	answer, err := c.client.Do(request)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = answer.Body.Close() }() // what counts has been read
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return Response{}, errSwitched // its body is the connection, which no context ends
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.options.MaxBody+1))
	switch {
	case err != nil:
		return Response{}, err
	case int64(len(body)) > c.options.MaxBody:
		return Response{}, errTooLarge
	}
	return Response{Status: answer.StatusCode, Header: answer.Header, Body: body}, nil
}

// request makes what net/http needs.
func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
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

// escapeQuery escapes what must not stand in a query, spaces and what is no ASCII, and leaves everything else: what has been
// escaped, and what separates one value from the next.
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
