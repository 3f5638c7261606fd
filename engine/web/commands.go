package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"perigee/engine/wire"
)

// Kernel is what runs the commands that programs ask for.
type Kernel interface {
	// Command runs a command and returns its result as JSON, or the exception that says why there is none. arguments are JSON
	// too, or empty. When ctx ends what the command waits for is called off. Any goroutine may call it.
	Command(ctx context.Context, name string, arguments []byte) (result []byte, no *wire.Exception)
}

// Commands say how other programs may run commands.
type Commands struct {
	Kernel Kernel
	// MaxBody bounds the arguments, in bytes.
	MaxBody int64
	// Timeout is how long one command may take, waiting included.
	Timeout time.Duration
}

// answerWithin is how long the writing of an answer may take.
const answerWithin = 10 * time.Second

// commands are served to whoever the door lets in.
type commands struct {
	Commands
	door Door
}

// ServeHTTP runs the command that the path names, with the body as its arguments, for whoever has the key. The answer is JSON:
// the command's result, or an exception.
func (c commands) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, ok := c.door.Visitor(w, r)
	if !ok {
		return
	}
	// The deadlines of pages are too short for a command that waits. Where there are none, nothing is to be put off.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(c.Timeout + answerWithin))
	if !c.door.authorize(w, r, peer) {
		return
	}
	arguments, no := c.read(w, r)
	if no != nil {
		except(w, *no)
		return
	}
	// A client that does not wait for the answer does not take the command back.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(r.Context()), c.Timeout,
		fmt.Errorf("the command took longer than queue.handler_timeout, %s", c.Timeout))
	defer cancel()
	result, no := c.Kernel.Command(ctx, r.PathValue("name"), arguments)
	if no != nil {
		except(w, *no)
		return
	}
	respond(w, http.StatusOK, result)
}

// read returns the body of a request, whatever type it names: no page of another origin can send the key without asking
// first.
func (c Commands) read(w http.ResponseWriter, r *http.Request) ([]byte, *wire.Exception) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, c.MaxBody))
	if err == nil {
		return text, nil
	}
	no := wire.InvalidArguments("the arguments could not be read")
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		no = wire.ArgumentsTooLarge(c.MaxBody)
	}
	return nil, &no
}

// except answers with an exception.
func except(w http.ResponseWriter, e wire.Exception) {
	text, err := json.Marshal(struct {
		Exception string `json:"exception"`
		Message   string `json:"message"`
		Code      int    `json:"code"`
	}{e.Name, e.Message, e.Code})
	if err != nil { // strings and a number always have a text
		panic(err)
	}
	respond(w, e.Code, text)
}

// respond answers with JSON.
func respond(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that is gone needs no answer
}
