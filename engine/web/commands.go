package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// CommandRunner runs commands of the application.
type CommandRunner interface {
	// Command runs a command and returns its result as JSON, or the exception that says why there is none. The arguments are
	// JSON, or empty. If ctx ends, what the command waits for is cancelled. Command is safe for concurrent use.
	Command(ctx context.Context, name string, arguments []byte) (result []byte, exc *wire.Exception)
}

// Commands are the settings for commands over HTTP.
type Commands struct {
	Runner CommandRunner
	// MaxBody is the largest size of the arguments, in bytes.
	MaxBody int64
	// Timeout is how long one command may take, including waiting.
	Timeout time.Duration
}

// writeTimeout is how long writing the answer of a command may take.
const writeTimeout = 10 * time.Second

// commands serves commands to programs with a key.
type commands struct {
	Commands
	auth Authenticator
}

// ServeHTTP runs the command that the path names, with the body as its arguments. The answer is JSON: the command's result,
// or an exception.
func (c commands) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, ok := c.auth.CheckRequest(w, r)
	if !ok {
		return
	}
	name := r.PathValue("name")
	if !c.auth.Authenticate(w, r, peer, Bearer(r), func(g auth.Grant) bool { return g.Runs(name) }) {
		return
	}
	arguments, exc := c.read(w, r)
	if exc != nil {
		WriteException(w, *exc)
		return
	}
	// The command goes on if the client closes the connection.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(r.Context()), c.Timeout,
		fmt.Errorf("the command took longer than queue.handler_timeout, %s", c.Timeout))
	defer cancel()
	result, exc := c.Runner.Command(ctx, name, arguments)
	if exc != nil {
		WriteException(w, *exc)
		return
	}
	WriteJSON(w, http.StatusOK, result)
}

// read returns the body of a request. Its content type does not matter: a page of another origin cannot send the key
// without a preflight request.
func (c Commands) read(w http.ResponseWriter, r *http.Request) ([]byte, *wire.Exception) {
	exc := wire.ArgumentsTooLarge(c.MaxBody)
	if r.ContentLength > c.MaxBody { // the client need not send it first
		w.Header().Set("Connection", "close")
		return nil, &exc
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, c.MaxBody))
	if err == nil {
		return text, nil
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); !large {
		exc = wire.InvalidArguments("the arguments could not be read")
	}
	return nil, &exc
}

// WriteException answers a request with an exception.
func WriteException(w http.ResponseWriter, e wire.Exception) {
	text, err := json.Marshal(struct {
		Exception string `json:"exception"`
		Message   string `json:"message"`
		Code      int    `json:"code"`
	}{e.Name, e.Message, e.Code})
	if err != nil { // strings and a number can always be encoded
		panic(err)
	}
	WriteJSON(w, e.Code, text)
}

// WriteJSON answers a request with JSON.
func WriteJSON(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// The deadline of pages began with the request; it may have passed while the command ran. An error means that there is none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // fails only if the client is gone
}
