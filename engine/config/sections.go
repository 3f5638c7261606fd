package config

// Server is the section [server]: where the server listens, who may connect, and what it logs.
type Server struct {
	Address        string   `toml:"address" check:"address" restart:"yes" doc:"IP address to listen on, or localhost. 0.0.0.0 and :: listen on all addresses and require a key of at least 12 bytes."`
	Port           int      `toml:"port" range:"0..65535" check:"port" restart:"yes" doc:"TCP port to listen on. 0 picks any free port, which the log names."`
	MaxConnections int      `toml:"max_connections" range:"0..1000000" doc:"Maximum number of connected clients. Further ones are refused with close code 1013. 0 means no limit."`
	Key            Secret   `toml:"key" doc:"Admin key, which clients send as password. The default, and keys shorter than 12 bytes, are accepted on loopback addresses only."`
	KeyFile        string   `toml:"key_file" needs:"it must exist, belong to the server's user and be readable (chmod 600)" doc:"File with the admin key, instead of key, relative to the directory of the settings file. Only its owner may have permission to read it (chmod 600), unless key_file_mode is any. Empty means none."`
	KeyFileMode    string   `toml:"key_file_mode" one:"owner any" doc:"Who may have permission to read key_file: owner or any. Nobody else may have permission to write it. any is for secrets that are mounted with mode 0444 or 0640; files in /run/secrets and in $CREDENTIALS_DIRECTORY need no setting."`
	Origins        []string `toml:"origins" doc:"Origins of pages that may connect besides the server's own: https://app.example.com, or https://*.example.com for any one label. * allows all."`
	RequireOrigin  bool     `toml:"require_origin" doc:"Refuse clients that send no Origin header. All browsers send one, most other programs do not."`
	Hosts          []string `toml:"hosts" doc:"Host names under which browsers on this machine may reach the server, besides localhost. Others are refused, to prevent DNS rebinding."`
	Protocols      []string `toml:"protocols" check:"subprotocol" doc:"WebSocket subprotocols of the application. The first one that a client offers and that is listed here is selected; scripts read it as client.protocol. Names that begin with perigee. are the server's own."`
	TrustedProxies []string `toml:"trusted_proxies" doc:"Addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-For or X-Real-IP header gives the client's address."`
	Compression    bool     `toml:"compression" doc:"Compress messages of 256 bytes and more, in both directions, for clients that offer it (permessage-deflate); all browsers do. Saves most of the traffic of large lists, and costs processor time for each message. Applies to new connections."`
	Public         string   `toml:"public" needs:"it must be a directory that the server's user can read" doc:"Directory of static files to serve at /, relative to the directory of the settings file. Empty means the directory public beside the manager."`
	Redact         []string `toml:"redact" check:"member" doc:"Names of more fields whose values the server hides, besides password, key, token, secret and authorization: in the message that PromptForAuthentication repeats, and in all that the console and perigee trace show."`
	LogLevel       string   `toml:"log_level" one:"debug info warn error" doc:"Minimum level of log lines: debug, info, warn or error."`
	LogFormat      string   `toml:"log_format" one:" text json" restart:"yes" doc:"Format of the log: text or json. Empty means text on a terminal, and json otherwise."`
	Control        string   `toml:"control" needs:"its directory must exist, belong to the server's user and be writable (chmod 700)" restart:"yes" doc:"Unix socket through which perigee reload, stop, status, console, trace, queue failed, check --against-running, and push to a queue in memory, reach the server, for its user and root only. Relative to the directory of the settings file; the socket's directory must belong to the server's user and be closed to others (chmod 700). Empty means PORT.sock in $XDG_RUNTIME_DIR/perigee, or else in perigee-UID in the system's directory for temporary files. off disables it."`
	PIDFile        string   `toml:"pid_file" needs:"its directory must exist, and the server's user must be able to write to it" restart:"yes" doc:"File that holds the server's process ID while it runs, relative to the directory of the settings file. Empty means none."`
}

// ControlOff is the value of Server.Control for a server without a control socket.
const ControlOff = "off"

// Limits is the section [limits]: what one client, or all clients together, may use. They protect the other clients from a broken
// or hostile one.
type Limits struct {
	ReadLimit              Size     `toml:"read_limit" range:"128B..1GiB" doc:"Maximum size of a message from a client, in bytes. A larger one closes the connection with 1009. Also the maximum body of an HTTP command; a larger one is answered with 413."`
	MessageDeadline        Duration `toml:"message_deadline" range:"10ms..1h" doc:"Maximum time from the first frame of a message to its last."`
	BytesPerSecond         Size     `toml:"bytes_per_second" range:"1KiB..1TiB" doc:"Bytes per second that are read from one client. Beyond that, reading slows down."`
	BytesBurst             Size     `toml:"bytes_burst" range:"1KiB..1TiB" doc:"Bytes that one client may send at once before bytes_per_second applies."`
	MessagesPerSecond      int      `toml:"messages_per_second" range:"1..1000000" doc:"Messages per second that are accepted from one client. Further ones are dropped and answered with TooManyMessages."`
	MessagesBurst          int      `toml:"messages_burst" range:"1..1000000" doc:"Messages that one client may send at once before messages_per_second applies. If twice as many are dropped within 10s, the connection is closed with 4429."`
	MaxBadMessages         int      `toml:"max_bad_messages" range:"1..1000000" doc:"Messages within one minute that are not a JSON object, are unknown, or exceed json_depth or json_keys, before the connection is closed with 1008."`
	WriteTimeout           Duration `toml:"write_timeout" range:"10ms..1h" doc:"Maximum time for one write to a client. After that the connection is closed with 4408."`
	SendQueueBytes         Size     `toml:"send_queue_bytes" range:"1KiB..1GiB" doc:"Bytes that may be queued for one client. If it reads more slowly, its connection is closed with 4408."`
	SendQueueMessages      int      `toml:"send_queue_messages" range:"1..1000000" doc:"Messages that may be queued for one client. If it reads more slowly, its connection is closed with 4408."`
	SendMemory             Size     `toml:"send_memory" range:"1KiB..1TiB" doc:"Bytes that may be queued for all clients together. Beyond that, the clients with the longest queues are closed first. A frame that is queued for several clients counts for each of them."`
	KernelSendBuffer       Size     `toml:"kernel_send_buffer" range:"0B..1GiB" doc:"Bytes that the system may hold for one client, besides send_queue_bytes; Linux doubles the number. A client that reads too slowly gets all of it before its close frame. 0 leaves the size to the system, which takes up to some megabytes."`
	PingInterval           Duration `toml:"ping_interval" range:"10ms..1h" doc:"Time between two pings to a client. Keep it below the idle timeout of proxies in between (nginx: 60s)."`
	PongWait               Duration `toml:"pong_wait" range:"10ms..1h" doc:"Maximum time to wait for the answer to a ping. A client that does not answer is considered gone."`
	HandshakeTimeout       Duration `toml:"handshake_timeout" range:"10ms..1h" restart:"yes" doc:"Maximum time for the request that opens a connection, from its first byte to its last, and then for the connect hook of the scripts."`
	ConnectionsPerIP       int      `toml:"connections_per_ip" range:"0..1000000" doc:"Maximum number of connections from one address, or one /64 network of IPv6. Loopback addresses are exempt. 0 means no limit."`
	ConnectsPerSecondPerIP int      `toml:"connects_per_second_per_ip" range:"0..1000000" restart:"yes" doc:"New connections per second from one address, or one /64 network of IPv6. Further ones are refused with HTTP 429. Loopback addresses are exempt. 0 means no limit."`
	ConnectsBurstPerIP     int      `toml:"connects_burst_per_ip" range:"1..1000000" restart:"yes" doc:"New connections that one address may open at once before connects_per_second_per_ip applies."`
	Subscriptions          int      `toml:"subscriptions" range:"0..1000000" doc:"Maximum number of topics that one connection may be subscribed to. 0 allows none."`
	Topics                 int      `toml:"topics" range:"0..1000000" doc:"Maximum number of topics, each of which takes about 300 bytes, and each subscription as much. 0 means no limit."`
	ListedTopics           int      `toml:"listed_topics" range:"0..1000000" doc:"Maximum number of listed topics. Each change of one sends all of them to every client. 0 means no limit."`
	HistoryMemory          Size     `toml:"history_memory" range:"0..1TiB" doc:"Bytes of messages that all topics together keep for later subscribers. Beyond that, the largest history loses its older half. 0 means no limit."`
	WaitingPerConnection   int      `toml:"waiting_per_connection" range:"0..1000000" doc:"Maximum number of handlers that wait on behalf of one connection: those of its messages, and what they have started. Further messages are refused with TooManyMessages. 0 means no limit."`
	JSONDepth              int      `toml:"json_depth" range:"1..1000" doc:"Maximum nesting of objects and lists in a message, in levels."`
	JSONKeys               int      `toml:"json_keys" range:"1..1000000" doc:"Maximum number, in one message, of object keys and of objects and lists inside lists together."`
	Shards                 int      `toml:"shards" range:"0..256" restart:"yes" doc:"Number of goroutines that send to clients. 0 means the number of CPUs minus one, and at least 1."`
}

// Lua is the section [lua]: the scripts and their limits.
type Lua struct {
	Path         string   `toml:"path" needs:"it must be a directory that the server's user can read" check:"directory" doc:"Directory of the application's scripts, relative to the directory of the settings file. Modules that are not found there come from the binary."`
	Manager      string   `toml:"manager" check:"module" doc:"Module whose table holds the application's hooks: boot, migrate, connect, open, drop, resume, close, error, job, stop, roster."`
	TurnTimeout  Duration `toml:"turn_timeout" range:"1ms..1h" doc:"Maximum time that a script may run without waiting. After that it is stopped, and only its message fails."`
	BootTimeout  Duration `toml:"boot_timeout" range:"1ms..1h" doc:"Maximum time for loading the scripts and running their boot hook."`
	SlowTurn     Duration `toml:"slow_turn" range:"0s..1h" doc:"Turns that take longer are logged with the name of their handler. 0s disables it."`
	AwaitTimeout Duration `toml:"await_timeout" range:"1ms..24h" doc:"Maximum time that a handler may wait for one thing. A longer wait is an error."`
	MaxWaiting   int      `toml:"max_waiting" range:"1..1000000" restart:"yes" doc:"Maximum number of handlers that wait at the same time. Each takes about 30 KiB. One connection, job or timer may take half of them."`
	Memory       Size     `toml:"memory" range:"16MiB..1TiB" restart:"yes" doc:"Heap of the whole server, in bytes, above which the running script is stopped."`
	BigIntegers  string   `toml:"big_integers" one:"refuse text" doc:"What happens to integers beyond 2^53 in JSON, which Lua would round: refuse, with their place, or text, which gives scripts a string with all digits. It applies to messages, jobs, the bodies of HTTP and json.decode, and to other numbers that would lose digits before the point."`
	Drain        Duration `toml:"drain" range:"0s..24h" doc:"Maximum time that handlers of the previous scripts may go on waiting after a reload. Then they are interrupted."`
}

// Values of Lua.BigIntegers.
const (
	BigIntegersRefuse = "refuse"
	BigIntegersText   = "text"
)

// HTTP is the section [http]: requests of scripts to other servers.
type HTTP struct {
	Timeout               Duration `toml:"timeout" range:"1ms..24h" restart:"yes" doc:"Maximum time for a request, including redirects and the body, unless the script sets another."`
	MaxBody               Size     `toml:"max_body" range:"1KiB..1GiB" restart:"yes" doc:"Maximum size of the body of a request or a response, in bytes. A larger one is an error."`
	MaxRequests           int      `toml:"max_requests" range:"1..100000" restart:"yes" doc:"Maximum number of requests at the same time. Further ones wait; connections, jobs and timers take turns, and one of them may take half."`
	RequestsPerConnection int      `toml:"requests_per_connection" range:"0..100000" restart:"yes" doc:"Maximum number of requests at the same time on behalf of one connection. Further ones wait. 0 means no limit."`
	RedirectsToPrivate    bool     `toml:"redirects_to_private" restart:"yes" doc:"Allow public servers to redirect to addresses of this machine and of private networks."`
}

// Roster is the section [roster]: the list of connections that every client is sent when it changes.
type Roster struct {
	Mode           string   `toml:"mode" one:"full changes off" doc:"What clients are sent: full for the whole list after each change (UpdateConnections), changes for the list once and after that what changes (ConnectionChanged, ConnectionGone), or off for nothing."`
	Interval       Duration `toml:"interval" range:"1ms..1h" doc:"Minimum time between two rosters. Changes in between are combined."`
	BytesPerSecond Size     `toml:"bytes_per_second" range:"1KiB..1TiB" doc:"Bytes per second for the rosters of all clients together, and in the mode changes twice as many for the changes. Beyond that, clients take turns, and more changes are combined."`
}

// Resume is the section [resume]: how clients that lose their connection may come back to it.
type Resume struct {
	Lost     Duration `toml:"lost" range:"0s..24h" doc:"Time that a client has to come back after its connection was lost. Until then the connection is away: it stays open for the scripts, and what it is sent is kept. 0s closes lost connections at once. Only clients that offer the subprotocol perigee.v1 can come back."`
	Left     Duration `toml:"left" range:"0s..24h" doc:"The same time after a browser left or reloaded the page. 0s closes the connection at once."`
	Away     int      `toml:"away" range:"1..1000000" doc:"Maximum number of connections that are away. One more closes the connection that has been away for the longest time."`
	Messages int      `toml:"messages" range:"1..1000000" doc:"Messages that are kept for a client that may come back, until it has confirmed them. One that has missed more goes on without them, and the application learns that."`
	Bytes    Size     `toml:"bytes" range:"1KiB..1GiB" doc:"The same limit in bytes."`
	Memory   Size     `toml:"memory" range:"1KiB..1TiB" doc:"Bytes that are kept for all clients together that are away. Beyond that, nothing is kept any more for the clients with the most; they can still come back. A message counts as its bytes and 96 more, which it costs to keep it; one that is kept for several clients counts for each of them."`
	Restarts bool     `toml:"restarts" restart:"yes" doc:"Keep the connections through an orderly restart, in the file FILE.connections beside state.file. Without state.file a restart closes them."`
}

// Values of Roster.Mode.
const (
	RosterFull    = "full"
	RosterChanges = "changes"
	RosterOff     = "off"
)

// Queue is the section [queue]: the queue of commands from other programs.
type Queue struct {
	Driver         string            `toml:"driver" env:"SERVER_QUEUE_DRIVER" one:"beanstalkd redis database memory off" restart:"yes" doc:"Where jobs come from: beanstalkd, redis or database as Laravel uses them, memory for a queue inside the server, or off for none."`
	Address        string            `toml:"address" check:"service" restart:"yes" doc:"Host and port of the service, or the absolute path of its Unix socket, with or without unix:// before it. For redis also redis:// or rediss://USER:PASSWORD@HOST:PORT/DATABASE; the default is 127.0.0.1:6379 there."`
	Name           string            `toml:"name" env:"SERVER_QUEUE" check:"queue" restart:"yes" doc:"Name of the queue. In beanstalkd this is the tube."`
	Prefix         string            `toml:"prefix" restart:"yes" doc:"Prefix of all keys in Redis, as in Laravel's database.redis.options.prefix. Other services have no prefix."`
	RetryAfter     Duration          `toml:"retry_after" range:"1s..24h" restart:"yes" doc:"Time for which a job in Redis or a database is reserved. The server renews it while it holds the job. When it has passed, another worker may take the job. In beanstalkd, each job has its own time. A database counts whole seconds, at least 2."`
	DSN            Secret            `toml:"dsn" check:"dsn" restart:"yes" doc:"URL of the database, for the driver database: postgres://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME, or sqlite://PATH with a path relative to the directory of the settings file. Like the admin key it is never shown. A table { env = \"NAME\" } or { file = \"PATH\" } reads it from a variable or a file."`
	Table          string            `toml:"table" check:"table" restart:"yes" doc:"Table of the jobs in the database."`
	FailedTable    string            `toml:"failed_table" check:"table" restart:"yes" doc:"Table of the failed jobs in the database: it has the buried jobs."`
	Connection     string            `toml:"connection" restart:"yes" doc:"Name of the application's connection in config/queue.php, to which queue:retry returns a failed job of the database."`
	Poll           Duration          `toml:"poll" range:"10ms..1m" restart:"yes" doc:"Time between two looks into the database for a job while none is there."`
	MaxAttempts    int               `toml:"max_attempts" range:"1..1000" restart:"yes" doc:"Maximum number of attempts of a failing job. Then it is buried."`
	Window         int               `toml:"window" range:"1..1024" restart:"yes" doc:"Maximum number of jobs that the server holds at the same time."`
	HandlerTimeout Duration          `toml:"handler_timeout" range:"1ms..24h" restart:"yes" doc:"Maximum time for one job, or one command over HTTP, including waiting."`
	Map            map[string]string `toml:"map" restart:"yes" doc:"Commands for jobs that have other names: job or class name = command."`
}

// Values of Queue.Driver.
const (
	DriverBeanstalkd = "beanstalkd"
	DriverRedis      = "redis"
	DriverDatabase   = "database"
	DriverMemory     = "memory" // needs no service
	DriverOff        = "off"    // no queue
)

// State is the section [state]: how server.state is kept across restarts.
type State struct {
	File     string   `toml:"file" needs:"its directory must exist, and the server's user must be able to write to it" restart:"yes" doc:"File that keeps server.state across restarts, relative to the directory of the settings file. Its directory must exist, and the server must be able to write to it. Empty means that the state is kept in memory only. Histories of topics are kept in FILE.topics through an orderly restart."`
	Interval Duration `toml:"interval" range:"10ms..24h" restart:"yes" doc:"Time between two saves. If nothing has changed, nothing is written. A regular stop saves, too."`
	Sync     string   `toml:"sync" one:"interval job" restart:"yes" doc:"When the state is saved. interval: only at each interval. job: also before a job is deleted, so that its effect is not lost; it requires file."`
}

// Values of State.Sync.
const (
	SyncInterval = "interval"
	SyncJob      = "job"
)

// Stop is the section [stop]: how long a graceful stop may take.
type Stop struct {
	Timeout Duration `toml:"timeout" range:"10ms..1h" doc:"Maximum time for a graceful stop. After that, whatever is left is cut off."`
	Drain   Duration `toml:"drain" range:"0s..1h" doc:"Maximum time for finishing current jobs, and again for sending what is queued for clients. Both are part of timeout."`

	LameDuck Duration `toml:"lame_duck" range:"0s..1h" doc:"Time over which a stop spreads the closing of the connections, those of the clients that have sent the fewest messages first, while the application goes on for the others. timeout begins after it. 0s closes all at once."`
}

// Console is the section [console]: the page and the API for operators.
type Console struct {
	Enabled bool   `toml:"enabled" restart:"yes" doc:"Serve the console, to operators with the admin key. It keeps the last 500 log lines and the last 100 failures of scripts in memory, at most 2.5 MiB."`
	Path    string `toml:"path" check:"path" restart:"yes" doc:"Path of the console. It begins and ends with a slash. Pages of the application below it are not served."`
	Address string `toml:"address" check:"listen" restart:"yes" doc:"Host and port for the console alone, for example 127.0.0.1:8090. Empty means that it is served at server.address and server.port."`
	Actions bool   `toml:"actions" doc:"Allow operators to act: to send to clients, close connections, run commands, reload, and kick and delete jobs. false only lets them look."`
}
