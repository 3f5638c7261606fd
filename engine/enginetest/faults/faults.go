package main

import (
	"cmp"
	"slices"
	"strings"
)

// fault is something that goes wrong around the server or inside it.
type fault struct {
	// Number identifies the fault in the table and on the command line.
	Number string
	// What goes wrong, and how often at full scale.
	What string
	// Pass describes what the tests require.
	Pass string
	// Tests cause it. Each key is a directory relative to the root of the repository, and its value the names of tests in it.
	Tests map[string][]string
	// Note names what the tests do not cover. Optional.
	Note string
}

// on returns the tests of one package.
func on(directory string, names ...string) map[string][]string {
	return map[string][]string{directory: names}
}

// faults returns all faults, in the order of the table.
func faults() []fault {
	const beanstalkd = "engine/queue/beanstalkd"
	all := append([]fault{
		{
			Number: "F1", What: "beanstalkd with a binlog is killed at random moments, 100 times, while jobs are put",
			Pass: "0 jobs lost, 0 run twice", Tests: on(beanstalkd, "TestKilledServer"),
			Note: "a kill while beanstalkd 1.12 moves jobs between its files loses jobs within beanstalkd, or leaves NUL bytes in them; those are buried",
		},
		{
			Number: "F2", What: "the connection to beanstalkd is reset, 300 times",
			Pass: "0 jobs lost, 0 run twice, all done", Tests: on(beanstalkd, "TestCutConnections"),
		},
		{
			Number: "F3", What: "the server and beanstalkd are killed in turn, 100 times each; the effect of a job is in the state file",
			Pass: "0 jobs lost, none takes effect twice", Tests: on("cmd/perigee", "TestCrashesLoseNoJob"),
			Note: "jobs that beanstalkd itself loses, as in F1, are counted apart",
		},
		{
			Number: "F4", What: "SIGTERM while jobs arrive, 100 times, 10 of them with 1,000 clients",
			Pass:  "0 jobs lost, 0 take effect twice, exit code 0, stops in under 500 ms without clients and 5 s with them",
			Tests: on("cmd/perigee", "TestStopsLoseNoJob"),
		},
		{
			Number: "F5", What: "beanstalkd is stopped until its connection counts as lost, and continued",
			Pass: "100 jobs done within 1 s", Tests: on(beanstalkd, "TestStoppedServer"),
			Note: "the worker never runs on the loop, so clients do not notice",
		},
		{
			Number: "F6", What: "jobs that take 1.7 s with a time to run of 1 s",
			Pass: "each runs once, none times out, fewer than 12 touches a second", Tests: on(beanstalkd, "TestShortTimeToRun"),
		},
		{
			Number: "F7", What: "jobs that are unreadable, always fail, or kill the process",
			Pass:  "buried at once, after their attempts, or after five crashes; all others are done",
			Tests: map[string][]string{beanstalkd: {"TestBadJobs"}, "engine/queue": {"TestCrashingJob", "TestBehindCrashingJob", "TestProbationOfSuspects", "TestAttempts"}},
		},
		{
			Number: "F8", What: "bodies of 0 bytes, of binary data, over 64 KiB, of 1 MiB; jobs that are too large to put",
			Pass:  "no crash, the connection stays usable, too large ones are buried",
			Tests: map[string][]string{beanstalkd: {"TestBadJobs", "TestClient", "FuzzAnswers"}, "engine/queue/body": {"FuzzParse", "FuzzUnserialize"}},
		},
		{
			Number: "F9", What: "no beanstalkd at the start; another service in its place; one that never answers",
			Pass:  "clients are served, one log line, jobs run once it is there",
			Tests: map[string][]string{beanstalkd: {"TestNoServer", "TestWrongServer", "TestNonsense", "TestManyPutsToSilentServer"}, "engine": {"TestReadyTellsOfTheQueue"}},
		},
	}, append(connectionFaults(), serverFaults()...)...)
	slices.SortFunc(all, func(a, b fault) int {
		return cmp.Or(cmp.Compare(len(a.Number), len(b.Number)), strings.Compare(a.Number, b.Number))
	})
	return all
}

// connectionFaults returns the faults that clients and the network cause.
func connectionFaults() []fault {
	const broker = "engine/broker"
	return []fault{
		{
			Number: "F10", What: "10 of 1,000 clients stop reading while 64 KiB are broadcast again and again",
			Pass: "exactly those 10 are disconnected; the others miss nothing and wait no longer", Tests: on(broker, "TestSlowReader"),
		},
		{
			Number: "F11", What: "5,000 handshakes that are never completed",
			Pass: "a new client gets in within 100 ms", Tests: on(broker, "TestSilentConnections"),
		},
		{
			Number: "F12", What: "floods of empty fragments, pings, messages and close frames by one client; clients whose handlers wait",
			Pass:  "that client is disconnected, at the latest when the server checks `limits.message_deadline` (10 s) for the first time after it, or read at the allowed rate; others wait no longer",
			Tests: map[string][]string{broker: {"TestFloods", "TestFloodAfterClose", "TestByteRate"}, "engine": {"TestGreedyClients", "TestGreedyRequests"}},
		},
		{
			Number: "F13", What: "a compressed message of 63 KB that unpacks to 62 MiB",
			Pass: "1009, less than 1 MiB allocated", Tests: on(broker, "TestCompressionBomb"),
		},
		{
			Number: "F14", What: "a client's machine vanishes without a FIN",
			Pass: "closed after `ping_interval` and `pong_wait`, one close event", Tests: on(broker, "TestNoPong", "TestPings"),
		},
		{
			Number: "F15", What: "10,000 connections, 200 at a time; connections over the maximum",
			Pass: "no goroutine and no file left; no close event for refused ones", Tests: on(broker, "TestComingAndGoing", "TestFull"),
		},
		{
			Number: "F20", What: "passwords are guessed from one address",
			Pass:  "ten are compared in a minute; other addresses log in at once",
			Tests: map[string][]string{"engine/manager": {"TestAuthenticateThrottle", "TestAuthenticateClosesConnection", "TestCheckPassword"}, "engine/auth": {"TestThrottle", "TestKeyMatches"}},
			Note:  "no statistics of comparison times: keys are compared as hashes, in constant time",
		},
		{
			Number: "F22", What: "every kind of address with default and good keys, with and without proxies",
			Pass:  "default keys serve this machine only",
			Tests: map[string][]string{"engine": {"TestDefaultKey"}, "engine/manager": {"TestAuthenticateDefaultKey"}, "engine/config": {"TestLoadKeys"}},
		},
		{
			Number: "F23", What: "forged X-Forwarded-For, chains of proxies, IPv6 zones",
			Pass: "the address is that of the last untrusted peer", Tests: map[string][]string{"engine/auth": {"TestClient", "FuzzForwardedFor"}, broker: {"TestUntrustedProxy"}},
		},
		{
			Number: "F24", What: "foreign origins and hosts",
			Pass: "refused", Tests: on("engine/auth", "TestOrigins", "TestOriginsBehindProxy", "TestOriginsRequired", "TestHosts", "FuzzOrigin"),
		},
		{
			Number: "F26", What: "frames that break RFC 6455 and RFC 7692",
			Pass: "each closed with its code, no unclean close", Tests: on(broker, "TestConformance", "TestCompressionConformance", "FuzzFrames", "FuzzHandshake"),
			Note: "the community's own suite is run apart from this table",
		},
	}
}

// serverFaults returns the faults of scripts, of the operating system and of operators.
func serverFaults() []fault {
	return []fault{
		{
			Number: "F16", What: "200 reloads under the load of 1,000 clients and a queue, every third with broken scripts",
			Pass:  "0 messages lost, 0 connections dropped, order kept, pauses under 250 ms",
			Tests: on("engine", "TestReloadUnderLoad"),
		},
		{
			Number: "F17", What: "a stop or a kill during a reload, two reloads at once, scripts that change while they are read, an early SIGHUP",
			Pass:  "the old scripts or the new ones, never a mix",
			Tests: map[string][]string{"engine": {"TestStopWhileReloading", "TestConcurrentReloads", "TestReloadFailsAfterRehearsal"}, "cmd/perigee": {"TestHangup", "TestEarlyHangup", "TestKillWhileReloading"}},
		},
		{
			Number: "F18", What: "scripts that never end, exhaust the memory or the stack, or multiply",
			Pass:  "only their message fails; the server answers others",
			Tests: map[string][]string{"engine": {"TestEndlessHandlers", "TestExcessiveHandlers", "TestMultiplyingCommand", "TestEndlessHandlersLeaveNothing"}, "cmd/perigee": {"TestHang"}},
		},
		{
			Number: "F19", What: "1,000,000 distinct keys are set and removed in the state",
			Pass: "the memory is reclaimed, `pairs` visits only what is left", Tests: map[string][]string{"engine/script/store": {"TestStoreTidy"}, "engine/script/value": {"TestCompact"}},
		},
		{
			Number: "F21", What: "the key in logs, frames, metrics and errors",
			Pass: "nowhere", Tests: map[string][]string{"engine": {"TestKeyStaysSecret", "TestMetricsTellNoSecret"}, "engine/auth": {"TestKeyIsNotShown"}, "engine/wire": {"TestRedactor", "FuzzRedact"}},
		},
		{
			Number: "F25", What: "no file descriptors left; a full disk; a log that is not read or not writable",
			Pass: "keeps serving and recovers alone",
			Tests: map[string][]string{
				"engine/broker": {"TestAcceptPauses"}, "engine/persist": {"TestSaverWhileWritesFail", "TestSaverRetries"},
				"engine/logging": {"TestStalled", "TestUnwritable"}, "cmd/perigee": {"TestFewOpenFiles", "TestLogReaderGone", "TestStalledOutput"},
			},
			Note: "no test sets the clock: timers use the monotonic one",
		},
		{
			Number: "F27", What: "data races and leaks",
			Pass: "none", Tests: on("engine", "TestStop", "TestReloadsLeaveNothing"),
			Note: "`.ci/run` runs all tests with the race detector",
		},
		{
			Number: "F28", What: "child processes that ignore SIGTERM, flood their output, or fork",
			Pass: "gone within 2 s of the stop, memory bounded, no orphan", Tests: map[string][]string{"engine/process": {"TestKill", "TestEscape", "TestFlood"}, "engine": {"TestProcessesEnd", "TestProcessFlood"}},
		},
		{
			Number: "F29", What: "systemd's view of starts, reloads, stops, and of a loop that is stuck",
			Pass: "READY, RELOADING, WATCHDOG and STOPPING in order; no WATCHDOG while stuck", Tests: map[string][]string{"cmd/perigee/notify": {"TestOrder", "TestWatch"}, "cmd/perigee": {"TestServiceManager", "TestStuckServer"}},
		},
		{
			Number: "F30", What: "the connections of 500 clients that can resume are cut at any byte, 20 times each, while they send and everybody is sent to",
			Pass: "nothing lost, doubled or out of order in either direction; no connection closes", Tests: map[string][]string{"engine": {"TestCuts"}, "engine/broker/outbox": {"TestModel"}},
		},
		{
			Number: "F31", What: "the server restarts in order, 100 times, while 200 clients that can resume send",
			Pass:  "everybody comes back complete, each message is answered once, and no connection closes",
			Tests: on("cmd/perigee", "TestRestartsKeepConnections"),
		},
		{
			Number: "F33", What: "as F3, with 60 kills and 10,000 jobs, in the tables of PostgreSQL, MariaDB and SQLite",
			Pass: "0 jobs lost, none takes effect twice, unless it was put twice", Tests: on("cmd/perigee", "TestDatabaseCrashesLoseNoJob"),
			Note: "SQLite is a part of the server, which is killed alone",
		},
	}
}
