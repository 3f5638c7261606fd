// Package control is how the programs of this machine reach a running server: a Unix domain socket that only the owner of
// the server, and root, can talk to, and the file that tells the number of its process. It knows no operation, and nothing
// of what a server is.
//
// A connection carries one request and its answer, a JSON object each:
//
//	{"operation": "reload", "arguments": {}}
//	{"result": {"generation": 2}} or {"error": "scripts/shop.lua:3: ..."}
//
// To add an operation is to add a function to the map that Serve is given (cmd/perigee, operations), and a subcommand that
// runs it with Call. What both sides send is a type with JSON tags that they share; a family of operations, as that of the
// queue, has names with its own before them: "queue failed", "queue kick". An operation is called by a goroutine of its own
// for each request, several at once.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// Operation does what a request asks for, and returns what is to be its result in JSON. arguments is nil where the request
// has none. ctx ends with that of Serve.
type Operation func(ctx context.Context, arguments json.RawMessage) (result any, err error)

// Bounds of a connection.
const (
	maxRequest  = 1 << 20         // bytes; the arguments of a command are a message at most
	maxAnswer   = 16 << 20        // bytes; a list of some 10,000 entries
	maxAtOnce   = 64              // connections; those that come then are told so: waiting, a status would hang behind reloads
	lineTimeout = 5 * time.Second // for sending a request, and for taking its answer: both ends are on this machine
	acceptPause = 100 * time.Millisecond
	closeGrace  = 100 * time.Millisecond // after Close, for reading a request that has come
)

// Server is the socket of a running server.
type Server struct {
	listener *net.UnixListener
	place    place
	log      *slog.Logger
	patience time.Duration // lineTimeout; a test has its own
}

// Listen makes the socket; whoever connects is kept waiting until Serve. In place of one that a server left behind which
// has died, it puts its own; where that server lives the error wraps ErrRunning and names its process.
func Listen(ctx context.Context, path string, log *slog.Logger) (*Server, error) {
	at := place{path: path}
	listener, err := at.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("control: %s: %w", path, err)
	}
	return &Server{listener: listener, place: at, log: log, patience: lineTimeout}, nil
}

// Close ends the listening and removes the socket. Requests that have come are still answered.
func (s *Server) Close() error {
	if err := errors.Join(s.place.remove(), s.listener.Close()); err != nil {
		return fmt.Errorf("control: %s: %w", s.place.path, err)
	}
	return nil
}

// Serve answers requests until Close, and returns when all that came have been answered. ctx is what operations run under.
func (s *Server) Serve(ctx context.Context, operations map[string]Operation) {
	var answering sync.WaitGroup
	defer answering.Wait()
	open, end := context.WithCancel(ctx)
	defer end()
	room := make(chan struct{}, maxAtOnce)
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files, for instance: that may pass
			s.log.Warn("control: accepting", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		select {
		case room <- struct{}{}:
		default:
			if err := turnAway(conn); err != nil {
				s.log.Warn("control: a request too many", "error", err)
			}
			continue
		}
		answering.Go(func() {
			defer func() { <-room }()
			if err := s.serve(ctx, open, conn, operations); err != nil {
				s.log.Warn("control: a request", "error", err)
			}
		})
	}
}

// turnAway tells a client that there is no room for it, without waiting for its request.
func turnAway(conn *net.UnixConn) (err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := admit(conn); err != nil {
		return err
	}
	text, err := json.Marshal(refuse(errBusy))
	if err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(closeGrace)); err != nil {
		return err
	}
	_, err = conn.Write(append(text, '\n')) // which fits the buffer of a new connection
	return err
}

// errBusy is what a client is told that there is no room for.
var errBusy = fmt.Errorf("the server is busy with %d requests; try again", maxAtOnce)

// serve answers the request of a connection and closes it. Where open ends, a request that has not come is not waited for.
func (s *Server) serve(ctx, open context.Context, conn *net.UnixConn, operations map[string]Operation) (err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := admit(conn); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(s.patience)); err != nil {
		return err
	}
	release := context.AfterFunc(open, func() { _ = conn.SetReadDeadline(time.Now().Add(closeGrace)) }) // of an open connection
	asked, err := readRequest(conn)
	release()
	if errors.Is(err, io.EOF) {
		return nil // somebody looked whether the server lives
	}
	answered := refuse(err)
	if err == nil {
		answered = s.perform(ctx, asked, operations)
	}
	text, err := json.Marshal(answered)
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("the answer has %d bytes, more than %d", len(text), maxAnswer)
	}
	if err != nil {
		if text, err = json.Marshal(refuse(err)); err != nil {
			return err
		}
	}
	if err := conn.SetWriteDeadline(time.Now().Add(s.patience)); err != nil {
		return err
	}
	if _, err = conn.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("answering %q: %w", asked.Operation, err)
	}
	return nil
}

// perform runs the operation that a request names.
func (s *Server) perform(ctx context.Context, asked request, operations map[string]Operation) (answered answer) {
	operation, known := operations[asked.Operation]
	if !known {
		return refuse(fmt.Errorf("this server has no operation %q", asked.Operation))
	}
	defer func() {
		if value := recover(); value != nil {
			s.log.Error("control: operation panicked", "operation", asked.Operation, "panic", value, "stack", string(debug.Stack()))
			answered = refuse(errors.New("internal error: the log of the server has more"))
		}
	}()
	result, err := operation(ctx, asked.Arguments)
	if err != nil {
		return refuse(err)
	}
	text, err := json.Marshal(result)
	if err != nil {
		return refuse(err)
	}
	return answer{Result: text}
}

// request is what a client sends.
type request struct {
	Operation string          `json:"operation"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// answer is what it gets: one of the two.
type answer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func refuse(err error) answer {
	if err == nil {
		return answer{}
	}
	return answer{Error: err.Error()}
}

// readRequest reads an object up to its closing brace. The error is io.EOF where nothing came.
func readRequest(r io.Reader) (request, error) {
	limited := &io.LimitedReader{R: r, N: maxRequest}
	decoder := json.NewDecoder(limited)
	decoder.DisallowUnknownFields()
	var asked request
	switch err := decoder.Decode(&asked); {
	case err == nil && asked.Operation == "":
		return request{}, errors.New("the request names no operation")
	case err == nil, errors.Is(err, io.EOF):
		return asked, err
	case limited.N == 0:
		return request{}, fmt.Errorf("the request is larger than %d bytes", maxRequest)
	default:
		return request{}, fmt.Errorf("the request is not understood: %w", err)
	}
}
