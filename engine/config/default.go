package config

import "time"

// Default returns the defaults of all settings. They are defined only here; server.toml repeats them for its readers.
func Default() Config {
	return Config{
		Server: Server{
			Address: "127.0.0.1", Port: 8080, MaxConnections: 100,
			Key:     defaultKey,
			Origins: []string{}, Hosts: []string{}, Protocols: []string{}, TrustedProxies: []string{}, Redact: []string{},
			KeyFileMode: KeyFileModeOwner, LogLevel: "info",
		},
		Limits: Limits{
			ReadLimit: 64 * KiB, MessageDeadline: Duration(10 * time.Second),
			BytesPerSecond: 256 * KiB, BytesBurst: 1 * MiB,
			MessagesPerSecond: 50, MessagesBurst: 100, MaxBadMessages: 10,
			WriteTimeout:   Duration(5 * time.Second),
			SendQueueBytes: 1 * MiB, SendQueueMessages: 1024, SendMemory: 256 * MiB, KernelSendBuffer: 256 * KiB,
			PingInterval: Duration(25 * time.Second), PongWait: Duration(10 * time.Second),
			HandshakeTimeout: Duration(5 * time.Second),
			ConnectionsPerIP: 32, ConnectsPerSecondPerIP: 10, ConnectsBurstPerIP: 50,
			Subscriptions: 128, Topics: 100_000, ListedTopics: 10_000, HistoryMemory: 64 * MiB, WaitingPerConnection: 64, JSONDepth: 32, JSONKeys: 4096,
			Shards: 0,
		},
		Lua: Lua{
			Path: "scripts", Manager: "giveaway",
			TurnTimeout: Duration(time.Second), BootTimeout: Duration(5 * time.Second),
			SlowTurn: Duration(50 * time.Millisecond), AwaitTimeout: Duration(60 * time.Second),
			MaxWaiting: 10_000, Memory: 512 * MiB, BigIntegers: BigIntegersRefuse, Drain: Duration(10 * time.Second),
		},
		HTTP: HTTP{
			Timeout: Duration(10 * time.Second), MaxBody: 1 * MiB, MaxRequests: 256, RequestsPerConnection: 16, RedirectsToPrivate: false,
		},
		Roster: Roster{Mode: RosterFull, Interval: Duration(100 * time.Millisecond), BytesPerSecond: 128 * MiB},
		Resume: Resume{Lost: Duration(60 * time.Second), Left: Duration(5 * time.Second), Away: 1000, Messages: 1000, Bytes: 256 * KiB, Memory: 64 * MiB, Restarts: true},
		Queue: Queue{
			Driver: DriverBeanstalkd, Address: "127.0.0.1:11300", Name: "default",
			Prefix: "", RetryAfter: Duration(90 * time.Second),
			Table: "jobs", FailedTable: "failed_jobs", Connection: "database", Poll: Duration(250 * time.Millisecond),
			MaxAttempts: 5, Window: 64, HandlerTimeout: Duration(60 * time.Second),
			Map: map[string]string{},
		},
		State:   State{File: "", Interval: Duration(10 * time.Second), Sync: SyncInterval},
		Stop:    Stop{Timeout: Duration(10 * time.Second), Drain: Duration(3 * time.Second)},
		Console: Console{Enabled: true, Path: "/console/", Actions: true},
		App:     map[string]any{},

		Processes: map[string]Process{},
		Keys:      map[string]ProgramKey{},
	}
}

// defaultKey is publicly known: auth.Key.IsDefault reports it, and a server with it refuses to listen on public addresses.
const defaultKey = "password"
