package script

import (
	"time"

	"perigee/engine/auth"
	"perigee/engine/script/bind"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// Host is the server as one generation of scripts sees it; the manager implements it. All methods are called on the loop.
// While the scripts load, what others would notice is put off until they run: sends, closes, new topics, timers and delayed
// commands. Names are those of the generation, but for what runs in a turn of its own: Next, Delay and timers run the command
// of the scripts that run by then.
type Host interface {
	bind.Host

	// Message, Command and Listen register, and return an error outside of Load: a name registered twice, or bound to
	// nothing. The error of a second registration names both sources.
	Message(m Message) error
	Command(c Command) error
	// Listen binds a message to a command; the returned function silences the listener.
	Listen(message, command, source string) (silence func(), err error)

	// Run runs a command within this turn. Its error is the command's own, or ErrUnknownCommand.
	Run(command string, arguments wire.Value) (wire.Value, error)
	// Next runs a command in the next turn; Delay later. abort prevents it; after it ran, abort does nothing.
	Next(command string, arguments wire.Value) (abort func(), err error)
	Delay(after time.Duration, command string, arguments wire.Value) (abort func(), err error)
	// Timer starts a timer. The error is that of a command that does not exist, of which Load's caller hears while scripts
	// load, since they may register it later; or that of a function whose scripts have been replaced.
	Timer(o TimerOptions) (Timer, error)

	// Work has jobs taken from the queue once the scripts have loaded; an error at any other time. The last call counts.
	Work(w module.Work) error

	// Stop ends the server gracefully after this turn; clients are told to come back (1012).
	Stop()
	// Uptime is the time since the server started, Now the loop's clock.
	Uptime() time.Duration
	Now() time.Time
}

// What the methods of bind.Host are about.
type (
	// Client is a connection as scripts see it.
	Client = bind.Client
	// Topic is a named set of connections.
	Topic = bind.Topic
	// TopicOptions say who may subscribe.
	TopicOptions = bind.TopicOptions
)

// Message is a message that clients may send, as a script declared it.
type Message struct {
	Name       string
	Protection auth.Protection
	// Owner is the field that names the connection a Client message is about; "" for other protections.
	Owner string
	// Authorize narrows the protection; nil where the script has none.
	Authorize func(c Client, m Incoming) (bool, error)
	// Check tells whether the text of a frame has the fields that the message demands; nil where it demands none. Any
	// goroutine may call it. The error is a sentence for the client.
	Check func(text []byte) error
	// Schema is the text of what Check demands; "" where it demands nothing.
	Schema string
	// Handle is nil where a listener does the work.
	Handle func(c Client, m Incoming) error
	// Source is where it was declared: "scripts/giveaway/messages.lua:12".
	Source string
}

// Incoming is a message from a client on its way to a handler.
type Incoming struct {
	Name string
	// Value is what Program.Decode made of the frame.
	Value wire.Value
	// Text is the frame itself.
	Text []byte
}

// Command is a command that scripts registered.
type Command struct {
	Name   string
	Run    func(arguments wire.Value) (wire.Value, error)
	Source string
}

// TimerOptions describe a timer.
type TimerOptions struct {
	// Name is what logs call it: the name of the command, or where its function was written.
	Name string
	// Source is where it was started: "scripts/giveaway.lua:12".
	Source string
	// Every is the interval, at least a millisecond.
	Every time.Duration
	// Once makes it end after the first run.
	Once bool
	// Timeout ends it that long after its start; 0 is never.
	Timeout time.Duration
	// Command and Arguments are the work, unless Run is. An error is logged and does not end the timer.
	Command   string
	Arguments wire.Value
	// Run is a function of the scripts, which ends with them.
	Run func() error
	// Ended is called once, when Run will not be called any more; nil is nobody.
	Ended func()
}

// Timer is repeated or delayed work.
type Timer interface {
	// Pause keeps it from running; Resume lets it run again after the time that was left, and returns an error when
	// the timer has been cancelled or has ended.
	Pause()
	Resume() error
	// Cancel ends it for good.
	Cancel()
	// Count is how often it has run.
	Count() int
	// Running tells whether it is neither paused nor over.
	Running() bool
}
