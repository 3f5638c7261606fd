package testkit

import (
	"encoding/json"
	"fmt"
)

// Messages about resuming, each the first frame of a socket.
const (
	ConnectionResumable = "ConnectionResumable"
	ConnectionResumed   = "ConnectionResumed"
)

// Resumption is what a client knows of a connection to which it can come back. The zero value is for a new connection.
type Resumption struct {
	Token    string
	Received int // text frames, on all sockets; -1 if the client has forgotten that, as a page has that was loaded anew
}

// Protocols returns the subprotocols that the client offers, to get a connection that can be resumed or to come back to its own.
func (r Resumption) Protocols() []string {
	const resumable = "perigee.v1"
	if r.Token == "" {
		return []string{resumable}
	}
	received := "-"
	if r.Received >= 0 {
		received = fmt.Sprint(r.Received)
	}
	return []string{resumable, "perigee.resume." + r.Token + "." + received}
}

// Begin takes the first text frame of a socket. It returns how many of the client's messages the server has handled, and an error
// if the frame is not the right one, or if the client has missed something.
func (r *Resumption) Begin(text []byte) (taken int, err error) {
	var f struct {
		Name, Token string
		Complete    bool
		From, Taken int
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return 0, err
	}
	switch {
	case r.Token == "" && f.Name == ConnectionResumable:
		r.Received = 1
	case r.Token == "" || f.Name != ConnectionResumed || !f.Complete || f.From != r.Received:
		return 0, fmt.Errorf("the first frame is %s, after %d frames on earlier sockets", text, r.Received)
	}
	r.Token = f.Token
	return f.Taken, nil
}
