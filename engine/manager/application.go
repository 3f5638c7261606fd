package manager

import (
	"context"

	"perigee/engine/auth"
	"perigee/engine/handshake"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// Application is a set of scripts as the manager calls it; *script.Program is one. Decode may be called by any goroutine, the
// other methods are called on the loop. If an error has a method Traceback() string, that is logged with it. If it has a method
// Place() string, that tells the log whether it is the same error again.
type Application interface {
	// Decode converts a frame to what handlers get, which is never nil. It returns an error if the frame is not JSON or exceeds
	// the limits.
	Decode(text []byte) (wire.Value, error)
	// Values keep the values of clients for the next server.
	hub.Values
	// HasConnect reports whether OnConnect may refuse a request or set fields. Any goroutine may call it.
	HasConnect() bool
	// OnConnect is called before the upgrade, with a connection that is not open yet. It sets the fields of the connection, or returns
	// why there must be none.
	OnConnect(r *handshake.Request, peer auth.Peer, c script.Client) (*handshake.Refusal, error)
	// OnOpen is called once for each connection, before its first message. OnClose is called once, when the connection has been
	// removed. In between, OnDrop is called when a connection is lost that may come back, and OnResume when it is back, before its
	// next message; complete means that the client misses no frame. OnClose is never called between the two.
	OnOpen(c script.Client) error
	OnDrop(c script.Client) error
	OnResume(c script.Client, complete bool) error
	OnClose(c script.Client, reason string) error
	// OnError is called after a handler has failed for a connection, with the text of the error.
	OnError(c script.Client, problem string) error
	// ParseJob returns what the manager's job hook says about the body of a job in an unknown format. The zero ParsedJob means that
	// there is no such hook.
	ParseJob(body []byte, queue string) (script.ParsedJob, error)
	// OnStop is called once, before the server ends.
	OnStop() error
	// RosterEntry returns the JSON of what others see of a connection. If it is nil, the roster leaves the connection out.
	RosterEntry(c script.Client) ([]byte, error)
	// RunWithin calls run. When ctx ends, every wait of the scripts within run is cancelled and returns an error to them.
	RunWithin(ctx context.Context, run func())

	// Start is called once, in the turn in which these scripts begin to run.
	Start()
	// Adopt converts a value of other scripts to one of these. lost names what cannot be converted: "a function at b[1]".
	Adopt(v wire.Value) (adopted wire.Value, lost string)
	// Retire is called once, in the turn in which other scripts replace these. done is called once, on the loop, when these
	// have no waiting handler, no timer and no process left.
	Retire(done func())
	// Interrupt ends the handlers that wait, with a cause that the scripts see.
	Interrupt(cause error)
	// ClearSlot removes the object of these scripts from the Slot of a client or topic.
	ClearSlot(slot *any)
}

// noApplication is the application before the first one is installed. It knows no message and does nothing.
type noApplication struct{}

func (noApplication) Decode(text []byte) (wire.Value, error) { return wire.Raw(text), nil }

func (noApplication) DecodeField(text []byte) (wire.Value, error) { return wire.Raw(text), nil }

func (noApplication) EncodeData(v wire.Value) ([]byte, error) { return v.AppendJSON(nil) }

func (noApplication) DecodeData(text []byte) (wire.Value, error) { return wire.Raw(text), nil }
func (noApplication) HasConnect() bool                           { return false }
func (noApplication) OnConnect(*handshake.Request, auth.Peer, script.Client) (*handshake.Refusal, error) {
	return nil, nil
}
func (noApplication) OnOpen(script.Client) error          { return nil }
func (noApplication) OnDrop(script.Client) error          { return nil }
func (noApplication) OnResume(script.Client, bool) error  { return nil }
func (noApplication) OnClose(script.Client, string) error { return nil }
func (noApplication) OnError(script.Client, string) error { return nil }
func (noApplication) ParseJob([]byte, string) (script.ParsedJob, error) {
	return script.ParsedJob{}, nil
}
func (noApplication) OnStop() error                                        { return nil }
func (noApplication) RosterEntry(script.Client) ([]byte, error)            { return nil, nil }
func (noApplication) RunWithin(_ context.Context, run func())              { run() }
func (noApplication) Start()                                               {}
func (noApplication) Adopt(v wire.Value) (adopted wire.Value, lost string) { return v, "" }
func (noApplication) Retire(done func())                                   { done() }
func (noApplication) Interrupt(error)                                      {}
func (noApplication) ClearSlot(*any)                                       {}
