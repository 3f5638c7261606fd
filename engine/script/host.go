package script

import (
	"net/netip"
	"time"

	"perigee/engine/auth"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// Host is the server as one generation of scripts sees it; the manager implements it. All methods are called on the loop.
// While the scripts load, what others would notice is put off until they run: sends, closes, new topics, timers and delayed
// commands. Names are those of the generation, but for what runs in a turn of its own: Next, Delay and timers run the command
// of the scripts that run by then.
type Host interface {
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

	// Connections returns all open connections in the order in which they were opened. The slice is the caller's.
	Connections() []Client
	// Connection returns nil where no open connection has that UUID.
	Connection(uuid string) Client
	// Send encodes a message once and sends it to those of the clients that are open.
	Send(to []Client, name string, fields wire.Fields) error
	// Broadcast encodes a message once and sends it to every connection.
	Broadcast(name string, fields wire.Fields) error
	// Publish encodes a message once and sends it to the subscribers of a topic.
	Publish(to Topic, name string, fields wire.Fields) error
	// Close closes a client after what was sent before. Code 0 means 1000; a code that must not be sent is an error.
	Close(c Client, code int, reason string) error

	// Roster sends what changed of the roster now, if the roster's interval has passed since the last time; else it goes
	// out when the interval ends. Changes that a turn leaves behind go out as if Roster were called at its end.
	Roster()

	// Topics returns all topics, sorted by name; Topic finds one by name or UUID, or returns nil.
	Topics() []Topic
	Topic(nameOrUUID string) Topic
	// Register creates a topic and tells every connection (UpdateTopics), or returns the one of that name and these
	// options; one with others is an error.
	Register(name string, o TopicOptions) (Topic, error)
	// Unregister removes a topic with its subscriptions and tells its subscribers (UpdateSubscriptions) and every
	// connection (UpdateTopics).
	Unregister(t Topic)

	// Work has jobs taken from the queue once the scripts have loaded; an error at any other time. The last call counts.
	Work(w module.Work) error

	// Stop ends the server gracefully after this turn; clients are told to come back (1012).
	Stop()
	// Uptime is the time since the server started, Now the loop's clock.
	Uptime() time.Duration
	Now() time.Time
}

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

// What the application keeps with a client travels to everybody: these are the bytes that it may have as JSON.
const (
	MaxAttribute  = 64 << 10  // one attribute, with its name; also a type, name or email
	MaxAttributes = 256 << 10 // all attributes of a client together
	MaxRow        = 1 << 20   // all that others see of a client
)

// Client is a connection as scripts see it. A closed one answers and swallows sends.
type Client interface {
	wire.Value // every field, as ConnectionEstablished shows it

	UUID() string
	Open() bool
	Admin() bool
	ResourceID() uint64
	IPAddress() netip.Addr
	// Timestamp is when the connection was opened.
	Timestamp() time.Time

	// Type, Name and Email; Name and Email are "" while unknown. Setting any of them schedules a roster update.
	Type() string
	SetType(t string)
	Name() string
	SetName(n string)
	Email() string
	SetEmail(e string)
	// SetAdmin grants or takes admin rights.
	SetAdmin(admin bool)
	// Attribute returns the application's own data under that name, nil where there is none; setting nil removes it. The
	// error of SetAttribute, which has then changed nothing, says which of MaxAttribute and MaxAttributes it breaks.
	Attribute(name string) wire.Value
	SetAttribute(name string, v wire.Value) error

	// Prompt sends PromptForAuthentication with text, the refused message, less its secrets; nil where there is none.
	Prompt(text []byte) error
	// Authenticate compares a password with the server's key and calls done on the loop with the answer, at once when
	// it is right, after a pause when it is wrong. A right one makes the connection an admin before done is called;
	// too many wrong ones close it.
	Authenticate(password string, done func(ok bool))

	// Notifications is an object keyed by the sender's UUID, as UpdateNotifications has it.
	Notifications() wire.Value
	// Notify stores a notification, one a sender; Dismiss clears them.
	Notify(sender string)
	Dismiss()
	// Subscriptions are sorted by name.
	Subscriptions() []Topic

	// Slot is where the scripts keep their own view of this connection.
	Slot() *any
}

// TopicOptions say who may subscribe.
type TopicOptions struct {
	Protection auth.Protection
	// Owner is the UUID of the connection that a Client topic belongs to.
	Owner string
}

// Topic is a named set of connections.
type Topic interface {
	wire.Value // {name, uuid, subscribers}

	UUID() string
	Name() string
	Count() int
	// Registered is false once it has been removed.
	Registered() bool
	// Allows tells whether a connection may subscribe itself.
	Allows(c Client) bool
	// Subscribe and Unsubscribe tell the connection (UpdateSubscriptions) when something changed. Subscribe returns an
	// error when the connection has as many subscriptions as it may have.
	Subscribe(c Client) error
	Unsubscribe(c Client)
	// Connections are in the order in which they were opened.
	Connections() []Client
	Slot() *any
}
