package config

// Server is the section [server]: where the server listens, for whom, and what it logs.
type Server struct {
	Address        string   `toml:"address" check:"address" restart:"yes" doc:"IP address to listen on, or localhost; 0.0.0.0 and :: are all of the machine's addresses and need a key of 12 bytes or more."`
	Port           int      `toml:"port" range:"0..65535" check:"port" restart:"yes" doc:"TCP port to listen on; 0 takes any free port, and the log names it."`
	MaxConnections int      `toml:"max_connections" range:"0..1000000" doc:"Most clients connected at once; one more is refused with close code 1013. 0 is no limit."`
	Key            Secret   `toml:"key" doc:"The admin key that clients send as password; password, or fewer than 12 bytes, is accepted on loopback addresses only."`
	KeyFile        string   `toml:"key_file" needs:"it must exist, and the server's user must own it and be able to read it (chmod 600)" doc:"File with the admin key, in place of key; only its owner may be able to read it (chmod 600). Empty is none."`
	Origins        []string `toml:"origins" doc:"Origins of pages that may connect besides the server's own, as https://app.example.com or https://*.example.com (one label); * is any."`
	RequireOrigin  bool     `toml:"require_origin" doc:"Refuse clients that send no Origin header; all browsers send one, most other programs do not."`
	Hosts          []string `toml:"hosts" doc:"Host names, besides localhost, under which browsers on this machine reach the server; others are refused (DNS rebinding)."`
	TrustedProxies []string `toml:"trusted_proxies" doc:"Addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-For or X-Real-IP tells the client's address."`
	Public         string   `toml:"public" needs:"it must be a folder that the server's user can read" doc:"Folder of static files that are served at /; relative to the folder of this file. Empty serves what is built in."`
	LogLevel       string   `toml:"log_level" one:"debug info warn error" doc:"Least level that is logged: debug, info, warn or error."`
	LogFormat      string   `toml:"log_format" one:" text json" restart:"yes" doc:"text or json; empty is text on a terminal and json elsewhere."`
	Control        string   `toml:"control" needs:"its folder must exist, and the server's user own it and be able to write to it (chmod 700)" restart:"yes" doc:"Socket through which perigee reload, stop and status reach the server, for its owner and root only; relative to the folder of this file, in a folder of its owner's alone (chmod 700). Empty is PORT.sock in $XDG_RUNTIME_DIR/perigee, or else in perigee-UID in the system's folder of temporary files; off has none."`
	PIDFile        string   `toml:"pid_file" needs:"its folder must exist, and the server's user be able to write to it" restart:"yes" doc:"File that tells the number of the server's process while it runs; relative to the folder of this file. Empty is none."`
}

// ControlOff is the value of Server.Control for a server without a control socket.
const ControlOff = "off"

// Limits is the section [limits]: what one client, or all together, may cost. They keep a broken or hostile client from
// harming the others.
type Limits struct {
	ReadLimit              Size     `toml:"read_limit" range:"128B..1GiB" doc:"Largest message a client may send, in bytes; a larger one closes it with 1009. Also the largest body of an HTTP command, answered with 413."`
	MessageDeadline        Duration `toml:"message_deadline" range:"10ms..1h" doc:"Longest time from the first frame of a message to its last."`
	BytesPerSecond         Size     `toml:"bytes_per_second" range:"1KiB..1TiB" doc:"Bytes a second that are read from one client; above that it is held back."`
	BytesBurst             Size     `toml:"bytes_burst" range:"1KiB..1TiB" doc:"Bytes that one client may send at once before bytes_per_second holds it back."`
	MessagesPerSecond      int      `toml:"messages_per_second" range:"1..1000000" doc:"Messages a second that are taken from one client; more are dropped and answered with TooManyMessages."`
	MessagesBurst          int      `toml:"messages_burst" range:"1..1000000" doc:"Messages that one client may send at once before messages_per_second counts; twice as many dropped in 10s close it with 4429."`
	MaxBadMessages         int      `toml:"max_bad_messages" range:"1..1000000" doc:"Messages within one minute that are no JSON object, unknown, or beyond json_depth or json_keys, before the client is closed with 1008."`
	WriteTimeout           Duration `toml:"write_timeout" range:"10ms..1h" doc:"Longest time that one write to a client may take; after that it is closed with 4408."`
	SendQueueBytes         Size     `toml:"send_queue_bytes" range:"1KiB..1GiB" doc:"Bytes that may wait to be sent to one client; one that reads more slowly is closed with 4408."`
	SendQueueMessages      int      `toml:"send_queue_messages" range:"1..1000000" doc:"Messages that may wait to be sent to one client; one that reads more slowly is closed with 4408."`
	SendMemory             Size     `toml:"send_memory" range:"1KiB..1TiB" doc:"Bytes that may wait to be sent to all clients together; above that the longest queues are closed first. A frame that waits for several clients counts for each of them."`
	PingInterval           Duration `toml:"ping_interval" range:"10ms..1h" doc:"Time between two pings to a client; keep it below the idle timeout of proxies in between (nginx: 60s)."`
	PongWait               Duration `toml:"pong_wait" range:"10ms..1h" doc:"Longest wait for the answer to a ping; a client that stays silent is taken for gone."`
	HandshakeTimeout       Duration `toml:"handshake_timeout" range:"10ms..1h" restart:"yes" doc:"Longest time for the request that opens a connection, from its first byte to the upgrade."`
	ConnectionsPerIP       int      `toml:"connections_per_ip" range:"0..1000000" doc:"Connections at once from one address, IPv6 by /64, loopback excepted. 0 is no limit."`
	ConnectsPerSecondPerIP int      `toml:"connects_per_second_per_ip" range:"0..1000000" restart:"yes" doc:"New connections a second from one address, IPv6 by /64, loopback excepted; more are refused with HTTP 429. 0 is no limit."`
	ConnectsBurstPerIP     int      `toml:"connects_burst_per_ip" range:"1..1000000" restart:"yes" doc:"New connections that one address may open at once before connects_per_second_per_ip counts."`
	Subscriptions          int      `toml:"subscriptions" range:"0..1000000" doc:"Topics that one connection may be subscribed to at once; 0 allows none."`
	JSONDepth              int      `toml:"json_depth" range:"1..1000" doc:"Deepest nesting of objects and lists in a message, in levels."`
	JSONKeys               int      `toml:"json_keys" range:"1..1000000" doc:"Most keys of objects, and most objects and lists inside lists, in one message together."`
	Shards                 int      `toml:"shards" range:"0..256" restart:"yes" doc:"Goroutines that the sending to clients is spread over; 0 is one fewer than the machine has CPUs, and at least 1."`
}

// Lua is the section [lua]: the scripts and what one of them may cost.
type Lua struct {
	Path         string   `toml:"path" needs:"it must be a folder that the server's user can read" check:"folder" doc:"Folder of the application's scripts, relative to the folder of this file; modules not found there come from the binary."`
	Manager      string   `toml:"manager" check:"module" doc:"Module whose table has the application's hooks: boot, open, close, error, stop, roster."`
	TurnTimeout  Duration `toml:"turn_timeout" range:"1ms..1h" doc:"Longest time that one turn of a script may take without waiting; after that it is stopped, and only that message fails."`
	BootTimeout  Duration `toml:"boot_timeout" range:"1ms..1h" doc:"Longest time that loading the scripts and their boot hook may take together."`
	SlowTurn     Duration `toml:"slow_turn" range:"0s..1h" doc:"Turns that take longer are logged with the name of their handler. 0s is never."`
	AwaitTimeout Duration `toml:"await_timeout" range:"1ms..24h" doc:"Longest time that a handler may wait for one thing; to wait longer is an error."`
	MaxWaiting   int      `toml:"max_waiting" range:"1..1000000" restart:"yes" doc:"Handlers that may wait at once, at about 30 KiB each."`
	Memory       Size     `toml:"memory" range:"16MiB..1TiB" restart:"yes" doc:"Heap of the whole server, in bytes, above which the script that runs is stopped."`
	Drain        Duration `toml:"drain" range:"0s..24h" doc:"Longest time that handlers of the scripts before may go on waiting after a reload; then they are interrupted."`
}

// HTTP is the section [http]: the requests that scripts make to other servers.
type HTTP struct {
	Timeout            Duration `toml:"timeout" range:"1ms..24h" restart:"yes" doc:"Longest time that a request may take, redirects and body included, unless the script says otherwise."`
	MaxBody            Size     `toml:"max_body" range:"1KiB..1GiB" restart:"yes" doc:"Largest body of a response, and of a request, in bytes; a larger one fails."`
	MaxRequests        int      `toml:"max_requests" range:"1..100000" restart:"yes" doc:"Requests that are under way at once; more wait for their turn."`
	RedirectsToPrivate bool     `toml:"redirects_to_private" restart:"yes" doc:"Let public servers redirect to addresses of this machine and of private networks."`
}

// Roster is the section [roster]: the list of connections that every client is sent when it changes.
type Roster struct {
	Interval       Duration `toml:"interval" range:"1ms..1h" doc:"Shortest time between two rosters; changes in between are gathered."`
	BytesPerSecond Size     `toml:"bytes_per_second" range:"1KiB..1TiB" doc:"Bytes a second that rosters to all clients together may take; above that clients are served by turns."`
}

// Queue is the section [queue]: where commands from other programs come from.
type Queue struct {
	Driver         string            `toml:"driver" env:"SERVER_QUEUE_DRIVER" one:"beanstalkd memory off" restart:"yes" doc:"Where jobs come from: beanstalkd, memory for a queue within the server, or off for none."`
	Address        string            `toml:"address" check:"dial" restart:"yes" doc:"Host and port of beanstalkd, or the absolute path of the Unix socket that it listens on, unix:// before it or not."`
	Name           string            `toml:"name" env:"SERVER_QUEUE" check:"tube" restart:"yes" doc:"Name of the queue; for beanstalkd the tube."`
	MaxAttempts    int               `toml:"max_attempts" range:"1..1000" restart:"yes" doc:"Times that a failing job is tried before it is buried."`
	Window         int               `toml:"window" range:"1..1024" restart:"yes" doc:"Jobs that are held at once."`
	HandlerTimeout Duration          `toml:"handler_timeout" range:"1ms..24h" restart:"yes" doc:"Longest time that one job, or one command over HTTP, may take, waiting included."`
	Map            map[string]string `toml:"map" restart:"yes" doc:"Commands for jobs that go by another name: job or class name = command."`
}

// Values of Queue.Driver.
const (
	DriverBeanstalkd = "beanstalkd"
	DriverMemory     = "memory" // needs no service
	DriverOff        = "off"    // no queue
)

// State is the section [state]: where server.state is kept through restarts.
type State struct {
	File     string   `toml:"file" needs:"its folder must exist, and the server's user be able to write to it" restart:"yes" doc:"File that keeps server.state through restarts, relative to the folder of this file; its folder must exist, and the server be able to write to it. Empty is memory only."`
	Interval Duration `toml:"interval" range:"10ms..24h" restart:"yes" doc:"Time between two saves; where nothing has changed, nothing is written. An orderly stop saves too."`
	Sync     string   `toml:"sync" one:"interval job" restart:"yes" doc:"When the state is saved besides: interval (never), or job: before a job is deleted, so that its effect outlives it; job needs file."`
}

// Values of State.Sync.
const (
	SyncInterval = "interval"
	SyncJob      = "job"
)

// Stop is the section [stop]: how long a graceful stop may take.
type Stop struct {
	Timeout Duration `toml:"timeout" range:"10ms..1h" doc:"Longest time that a graceful stop may take, before what is left is cut off."`
	Drain   Duration `toml:"drain" range:"0s..1h" doc:"Longest time for jobs in hand to end, and then for sending what is queued for clients, as parts of timeout."`
}
