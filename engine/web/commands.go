package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"perigee/engine/auth"
	"perigee/engine/wire"
)

// Kernel is what runs the commands that programs ask for. Its methods may be called by any goroutine.
type Kernel interface {
	// Admit tells whether whoever knows this password may run commands.
	Admit(peer auth.Peer, password string) bool
	// Command runs a command and returns its result as JSON, or the exception that says why there is none. arguments are JSON
	// too, or empty. When ctx ends what the command waits for is called off.
	Command(ctx context.Context, name string, arguments []byte) (result []byte, no *wire.Exception)
}

// Commands say how other programs may run commands.
type Commands struct {
	Kernel Kernel
	// Visitor tells who sent a request. It answers a request that is not to be served, and returns false.
	Visitor func(w http.ResponseWriter, r *http.Request) (auth.Peer, bool)
	// MaxBody bounds the arguments, in bytes.
	MaxBody int64
	// Timeout is how long one command may take, waiting included.
	Timeout time.Duration
}

// answerWithin is how long the writing of an answer may take.
const answerWithin = 10 * time.Second

// ServeHTTP runs the command that the path names, with the body as its arguments, for whoever has the key: POST, with
// "Authorization: Bearer KEY" (RFC 6750, 2.1). The answer is JSON: the command's result, or an exception.
func (c Commands) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, ok := c.Visitor(w, r)
	if !ok {
		return
	}
	// The deadlines of pages are too short for a command that waits. Where there are none, nothing is to be put off.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(c.Timeout + answerWithin))
	if !c.authorize(w, r, peer) {
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

// authorize tells whether a request has the key; one that has not is answered, and late where it has a wrong one, so that
// the time tells nothing.
func (c Commands) authorize(w http.ResponseWriter, r *http.Request, peer auth.Peer) bool {
	scheme, password, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	named := strings.EqualFold(scheme, "Bearer") && password != ""
	if named && c.Kernel.Admit(peer, password) {
		return true
	}
	if named {
		late := time.NewTimer(auth.FailureDelay())
		defer late.Stop()
		select {
		case <-late.C:
		case <-r.Context().Done():
		}
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="commands"`)
	except(w, wire.Unauthorized())
	return false
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
