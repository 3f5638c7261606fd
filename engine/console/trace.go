package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"perigee/engine/trace"
	"perigee/engine/web"
)

const (
	// keepAlive is how long a stream is silent at most: then it sends an empty line, which proxies and a client that has gone notice.
	keepAlive = 15 * time.Second
	// lineTimeout is how long the client may take to read a line.
	lineTimeout = 10 * time.Second
)

// Errors that end streams.
var (
	errStopping = errors.New("the server is stopping")
	errKey      = errors.New("the admin key has changed")
)

// trace answers with a line of JSON for each event that the query selects, until the client goes or trace.MaxDuration has passed.
func (c *Console) trace(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for name := range query {
		if !slices.Contains([]string{"connection", "user", "message", "topic"}, name) {
			web.WriteException(w, c.exception(invalid("there is no %q: use connection, user, message or topic", name)))
			return
		}
	}
	connection := http.NewResponseController(w)
	if err := connection.SetReadDeadline(time.Time{}); err != nil { // otherwise the request would end with it
		web.WriteException(w, c.exception(invalid("a trace is a stream: use perigee trace")))
		return
	}
	tap, err := c.options.Server.Trace(trace.Filter{
		Connection: query.Get("connection"), User: query.Get("user"), Message: query.Get("message"), Topic: query.Get("topic"),
	}, trace.MaxDuration)
	if err != nil {
		web.WriteException(w, c.exception(err))
		return
	}
	defer tap.Close()
	ctx, end := c.streams.begin(r.Context())
	defer end()
	write := func(line []byte) error {
		_ = connection.SetWriteDeadline(time.Now().Add(lineTimeout)) // of an open connection; otherwise writing fails
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
		return connection.Flush()
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	_ = connection.Flush() // what is written next fails too
	if err := sendEvents(ctx, tap, write); err != nil {
		line, _ := json.Marshal(struct { // it can always be encoded
			Error string `json:"error"`
		}{err.Error()})
		_ = write(line) // fails if the client has gone
	}
}

// sendEvents writes events, and an empty line if there are none for keepAlive, until the trace or ctx ends or the client has gone.
func sendEvents(ctx context.Context, tap *trace.Tap, write func(line []byte) error) error {
	for {
		waiting, cancel := context.WithTimeout(ctx, keepAlive)
		e, err := tap.Next(waiting)
		cancel()
		var line []byte
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded): // nothing has happened
		case err != nil:
			return err
		default:
			if line, err = json.Marshal(e); err != nil {
				return err
			}
		}
		if err := write(line); err != nil {
			return err
		}
	}
}

// streams are the answers that go on until they are ended. The zero streams are none.
type streams struct {
	mu   sync.Mutex
	ends map[*context.CancelCauseFunc]struct{} // guarded by mu
}

// begin returns a context that ends with the one of the request, or by endAll.
func (s *streams) begin(ctx context.Context) (stream context.Context, end func()) {
	stream, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends == nil {
		s.ends = map[*context.CancelCauseFunc]struct{}{}
	}
	s.ends[&cancel] = struct{}{}
	return stream, func() {
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.ends, &cancel)
	}
}

// endAll ends all streams.
func (s *streams) endAll(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for end := range s.ends {
		(*end)(cause)
	}
}
