package script

import (
	"fmt"
	"time"

	"perigee/engine/auth"
	"perigee/engine/script/api"
	"perigee/engine/script/bind"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// Host is the server as one generation of scripts sees it; the manager implements it. All methods are called on the loop.
// While the scripts load, effects that others would notice are deferred until the scripts run: sends, closes, new topics, timers
// and delayed commands. Names are those of the generation, except for commands that run in a later turn: Next, Delay and timers
// run the command of the scripts that run by then.
type Host interface {
	bind.Host

	// Message and Command register. They return an error outside of Load, and for a name that is registered already; it names
	// both sources.
	Message(m Message) error
	Command(c Command) error
	// RemoveMessage removes a message with its listeners. It returns an error outside of Load, and for an unknown name.
	RemoveMessage(name string) error
	// Listen binds a message to a command; silence removes the binding. It returns an error outside of Load.
	Listen(message, command, source string) (silence func(), err error)

	// Run runs a command within this turn. The error is that of the command, an *ArgumentsError, or ErrUnknownCommand.
	Run(command string, arguments wire.Value) (wire.Value, error)
	// Next runs a command in the next turn, Delay later. abort prevents that; once the command has run, abort is a no-op.
	Next(command string, arguments wire.Value) (abort func(), err error)
	Delay(after time.Duration, command string, arguments wire.Value) (abort func(), err error)
	// Timer starts a timer. It returns an error if the command does not exist, or if the scripts have been replaced and the
	// timer has a function. While scripts load a command may be registered later, so the error is that of Load instead.
	Timer(o TimerOptions) (Timer, error)

	// SetWorker makes the server take jobs from the queue once the scripts have loaded. The last call counts. It returns an error
	// outside of Load.
	SetWorker(w module.WorkerOptions) error

	// Stop ends the server gracefully after this turn; clients are told to come back (1012).
	Stop()
	// Supervisor is the name of the program that starts the server again when it ends; "" if none is known.
	Supervisor() string
	// Uptime is the time since the server started.
	Uptime() time.Duration
}

// Types of bind.Host.
type (
	// Client is a connection as scripts see it.
	Client = bind.Client
	// Topic is a named set of connections.
	Topic = bind.Topic
	// TopicAccess says who may subscribe to a topic.
	TopicAccess = bind.TopicAccess
	// TopicOptions are the options of a topic.
	TopicOptions = bind.TopicOptions
)

// Message is a message that clients may send, as a script declared it.
type Message struct {
	Name       string
	Protection auth.Protection
	// Owner is the field that names the connection that a message with the protection Client concerns; "" for other protections.
	Owner string
	// Roles narrows the protection to admins and clients that have one of these roles. Optional.
	Roles []string
	// Prompt is the sentence with which clients that may not send the message are prompted. Optional.
	Prompt string
	// Authorize narrows the protection further. Optional.
	Authorize func(c Client, m Incoming) (bool, error)
	// Check checks the fields of a frame. Any goroutine may call it. The error is a sentence for the client. Optional.
	Check func(text []byte) error
	// Schema is the JSON Schema that Check applies; "" without Check.
	Schema string
	// Handle handles the message; nil if only listeners do.
	Handle func(c Client, m Incoming) error
	// Source is where it was declared: "scripts/giveaway/messages.lua:12".
	Source string
}

// Incoming is a message from a client on its way to a handler.
type Incoming struct {
	Name string
	// ID is the client's id of it; "" if it has none.
	ID string
	// Value is the frame as Program.Decode returned it.
	Value wire.Value
	// Text is the frame itself.
	Text []byte
}

// call describes the message, sent by a client, for a call that handles it.
func (in Incoming) call(from Client) api.Message {
	return api.Message{Text: in.Text, ID: in.ID, From: from}
}

// Command is a command that scripts registered.
type Command struct {
	Name string
	// Run runs it. The error is an *ArgumentsError if the arguments do not match the schema; nothing has run then.
	Run func(arguments wire.Value) (wire.Value, error)
	// Schema is the JSON Schema of the arguments; "" if there is none.
	Schema string
	Source string
}

// Refusal is wrapped by the error of a handler or a command that has refused what it was asked to do, which is no bug.
type Refusal = api.Refusal

// ArgumentsError is the error of a command whose arguments do not match its schema.
type ArgumentsError struct {
	Command string
	// Problem is a sentence for whoever gave the arguments: "prize.name: is missing".
	Problem string
}

func (e *ArgumentsError) Error() string {
	return fmt.Sprintf("the arguments of command %q: %s", e.Command, e.Problem)
}

// TimerOptions describe a timer.
type TimerOptions struct {
	// Name is its name in the log: the command, or the source of its function.
	Name string
	// Source is where it was started: "scripts/giveaway.lua:12".
	Source string
	// Every is the interval, at least a millisecond.
	Every time.Duration
	// Once ends it after the first run.
	Once bool
	// Timeout ends it that long after its start; 0 means never.
	Timeout time.Duration
	// Command is run with Arguments, unless Run is set. An error is logged and does not end the timer.
	Command   string
	Arguments wire.Value
	// Run is a function of the scripts. The timer ends with them.
	Run func() error
	// Ended is called once, when Run will not be called any more. Optional.
	Ended func()
}

// Timer is a repeated or delayed run of a command or function.
type Timer interface {
	// Pause pauses it. Resume resumes it with the time that was left; the error says that it has been cancelled or has ended.
	Pause()
	Resume() error
	// Cancel ends it for good.
	Cancel()
	// Count returns how often it has run.
	Count() int
	// Running reports whether it is neither paused nor over.
	Running() bool
}
