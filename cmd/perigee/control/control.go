// Package control owns the control socket, through which commands on this machine operate a running server: HTTP over a Unix
// domain socket that only the server's user and root can use. It also owns the PID file. It must not know which operations
// there are, nor what a server is.
//
// A request has the method and path of an operation, and its arguments as a JSON body. The response is JSON, too: the result
// with status 200, or {"error": "..."} with another status.
//
//	POST /reload    200 {"generation": 2}    or    422 {"error": "scripts/shop.lua:3: ..."}
//
// A stream is a request whose result is many values, each of which is sent as a line of JSON when it is there.
//
// To add an operation, add a function to the map that is passed to Handler (cmd/perigee/service, operations), and a subcommand
// that calls it with Call. Both sides share a type with JSON tags.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// Operation performs a request and returns its result, which is sent as JSON. arguments is nil if the request has no body.
// It is called by a goroutine for each request, several at once.
type Operation func(ctx context.Context, arguments json.RawMessage) (result any, err error)

// Bounds of requests.
const (
	maxRequest  = 1 << 20                // bytes of a body; the arguments of a command are a message at most
	maxResponse = 16 << 20               // bytes of a body; a list of some 10,000 entries
	maxRequests = 64                     // at once; further ones are refused: a status must not wait for reloads
	ioTimeout   = 5 * time.Second        // for reading a request, and for writing a response: both ends are on this machine
	closeGrace  = 100 * time.Millisecond // after Close, for reading requests on connections that are open already
)

// errBusy is the error of requests beyond maxRequests.
var errBusy = fmt.Errorf("the server is busy with %d requests; try again", maxRequests)

// Handler serves operations and streams by their routes, which are patterns of http.ServeMux such as "POST /reload". Operations run
// under ctx, not under the context of the request: if the client gives up, they go on. Streams end with either.
func Handler(ctx context.Context, operations map[string]Operation, streams map[string]Stream, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		respondError(w, http.StatusNotFound, fmt.Errorf("this server has no operation %s %q", r.Method, r.URL.Path))
	})
	handle := func(route string, perform http.HandlerFunc) {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if value := recover(); value != nil {
					log.Error("control: operation panicked", "operation", route, "panic", value, "stack", string(debug.Stack()))
					respondError(w, http.StatusInternalServerError, errors.New("internal error: see the server's log"))
				}
			}()
			perform(w, r)
		})
	}
	for route, operation := range operations {
		handle(route, func(w http.ResponseWriter, r *http.Request) { perform(ctx, operation, w, r) })
	}
	for route, stream := range streams {
		handle(route, func(w http.ResponseWriter, r *http.Request) { performStream(ctx, stream, w, r) })
	}
	slots := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			mux.ServeHTTP(w, r)
		default:
			respondError(w, http.StatusServiceUnavailable, errBusy)
		}
	})
}

// perform runs an operation and responds with its result or its error.
func perform(ctx context.Context, operation Operation, w http.ResponseWriter, r *http.Request) {
	arguments, status, err := readArguments(w, r)
	if err != nil {
		respondError(w, status, err)
		return
	}
	result, err := operation(ctx, arguments)
	if err != nil {
		respondError(w, http.StatusUnprocessableEntity, err)
		return
	}
	body, err := json.Marshal(result)
	if err == nil && len(body) > maxResponse {
		err = fmt.Errorf("the response has %d bytes, more than %d", len(body), maxResponse)
	}
	if err != nil {
		respondError(w, http.StatusInternalServerError, err)
		return
	}
	respond(w, http.StatusOK, body)
}

// readArguments reads the body of a request. If it fails, it returns the status of the response.
func readArguments(w http.ResponseWriter, r *http.Request) (arguments json.RawMessage, status int, err error) {
	arguments, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the request is larger than %d bytes", maxRequest)
	case err != nil:
		return nil, http.StatusBadRequest, fmt.Errorf("reading the request: %w", err)
	case len(arguments) == 0:
		return nil, 0, nil
	case !json.Valid(arguments):
		return nil, http.StatusBadRequest, errors.New("the body of the request is not JSON")
	}
	return arguments, 0, nil
}

func respondError(w http.ResponseWriter, status int, err error) {
	body, _ := json.Marshal(Failure{Text: err.Error()}) // a string always has JSON
	respond(w, status, body)
}

// respond writes a response. If the client does not take it, the write fails and the connection ends.
func respond(w http.ResponseWriter, status int, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(ioTimeout)) // of an open connection
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Server is the control socket of a running server.
type Server struct {
	path        string
	log         *slog.Logger
	readTimeout time.Duration // ioTimeout; a test sets its own
	listener    *net.UnixListener
	created     fs.FileInfo // the socket that listen created
}

// Listen creates the socket; connections wait until Serve is called. It replaces a socket that a dead server has left. If a
// server listens there, the error wraps ErrRunning and names its process.
func Listen(ctx context.Context, path string, log *slog.Logger) (*Server, error) {
	s := &Server{path: path, log: log, readTimeout: ioTimeout}
	if err := s.listen(ctx); err != nil {
		return nil, fmt.Errorf("control: %s: %w", path, err)
	}
	return s, nil
}

// Close stops listening and removes the socket. Serve still answers the requests that it has received.
func (s *Server) Close() error {
	if err := errors.Join(s.remove(), s.listener.Close()); err != nil {
		return fmt.Errorf("control: %s: %w", s.path, err)
	}
	return nil
}

// Serve passes requests to handler until Close, and returns when all of them have been answered. Requests of users other than
// the server's and root get status 403.
func (s *Server) Serve(handler http.Handler) {
	type clientError struct{} // key of a connection's context: the error of checkClient
	var open sync.Map         // the connections, by net.Conn
	server := &http.Server{
		ReadTimeout: s.readTimeout,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, clientError{}, checkClient(conn.(*net.UnixConn)))
		},
		ConnState: func(conn net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Store(conn, nil)
			case http.StateClosed:
				open.Delete(conn)
			}
		},
		DisableGeneralOptionsHandler: true, // which would answer other users
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err, refused := r.Context().Value(clientError{}).(error); refused {
				s.log.Warn("control: request refused", "error", err)
				respondError(w, http.StatusForbidden, err)
				return
			}
			handler.ServeHTTP(w, r)
		}),
	}
	server.SetKeepAlivesEnabled(false)
	if err := server.Serve(s.listener); !errors.Is(err, net.ErrClosed) {
		s.log.Error("control: accepting connections failed", "error", err)
	}
	// A request that has been read needs no more reading. The server may have accepted a connection just now and set its own
	// deadline after this one, so this is repeated.
	end := time.Now().Add(closeGrace)
	for err := context.DeadlineExceeded; errors.Is(err, context.DeadlineExceeded); {
		open.Range(func(conn, _ any) bool {
			_ = conn.(net.Conn).SetReadDeadline(end) // one that has closed meanwhile needs none
			return true
		})
		err = shutdown(server)
	}
}

// shutdown waits for all requests, but not for long.
func shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	return server.Shutdown(ctx)
}
