package config

import (
	"fmt"
	"strings"
	"testing"
)

// Each error in a file has its line, its key and a remedy.
func TestFileErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown key", "[server]\nprot = 1", `2: server.prot: unknown key; did you mean "port"?`},
		{"unknown key in capitals", "[server]\n\nPort = 1", `3: server.Port: unknown key; did you mean "port"?`},
		{"key of another section", "[server]\nread_limit = 1", `2: server.read_limit: unknown key; did you mean "limits.read_limit"?`},
		{"key like no other", "[server]\nwhatever = 1", `2: server.whatever: unknown key`},
		{"key to be quoted", "[server]\n\"a b\" = 1", `2: server."a b": unknown key`},
		{"key outside of sections", "port = 1", `1: port: unknown key; did you mean "server.port"?`},
		{"unknown section", "\n[servr]\nport = 1\nx = 2", `2: servr: unknown section; did you mean "server"?`},
		{"unknown section through its child", "[servr.x]\ny = 1", `1: servr: unknown section; did you mean "server"?`},
		{"table where a key is", "[server.port]\nx = 1", `1: server.port: a table is not a port; write a number from 1 to 65535, or 0 for any free port`},
		{"section that is none", "server = 5", `1: server: 5 is not a section; write [server]`},
		{"section as a list", "[[server]]\nport = 1", `1: server: a list is not a section; write [server]`},
		{"app that is no table", "app = \"x\"", `1: app: "x" is not a section; write [app]`},
		{"dotted key", "server.prot = 1", `1: server.prot: unknown key; did you mean "port"?`},
		{"inline table", "\nserver = {port = 1, prot = 2}", `2: server.prot: unknown key; did you mean "port"?`},
		{"behind a byte order mark", "\ufeff[server]\nprot = 1", `2: server.prot: unknown key; did you mean "port"?`},
		{"lines of Windows", "[server]\r\n\r\nprot = 1\r\n", `3: server.prot: unknown key; did you mean "port"?`},

		{"port in quotes", "[server]\nport = \"8080\"", `2: server.port: "8080" is a string; write 8080 without quotes`},
		{"port as a string", "[server]\nport = \"http\"", `2: server.port: "http" is not a port; write a number from 1 to 65535, or 0 for any free port`},
		{"port out of range", "[server]\nport = 65536", `2: server.port: 65536 is not a port; write a number from 1 to 65535, or 0 for any free port`},
		{"negative port", "[server]\nport = -1", `2: server.port: -1 is not a port; write a number from 1 to 65535, or 0 for any free port`},
		{"port with a point", "[server]\nport = 80.5", `2: server.port: 80.5 is not a port; write a number from 1 to 65535, or 0 for any free port`},
		{"number out of range", "[limits]\njson_depth = 0", `2: limits.json_depth: 0 is out of range; write a number from 1 to 1000`},
		{"number that is none", "[limits]\njson_depth = true", `2: limits.json_depth: true is not a number; write a number from 1 to 1000`},
		{"size", "[limits]\nread_limit = \"64 potatoes\"", `2: limits.read_limit: "64 potatoes" is not a size; write for example "64KiB" or "1MiB"`},
		{"size with a point", "[limits]\nread_limit = 1.5", `2: limits.read_limit: 1.5 is not a size; write for example "64KiB" or "1MiB"`},
		{"size out of range", "[limits]\nread_limit = \"2GiB\"", `2: limits.read_limit: 2GiB is out of range; write a size from 128 to 1GiB`},
		{"negative size", "[limits]\nread_limit = -1", `2: limits.read_limit: "-1" is not a size; write for example "64KiB" or "1MiB"`},
		{"size as a list", "[limits]\nread_limit = [1]", `2: limits.read_limit: a list is not a string; write it in quotes`},
		{"duration without unit", "[limits]\nwrite_timeout = 10", `2: limits.write_timeout: 10 has no unit; write "10s"`},
		{"duration with a point", "[limits]\nwrite_timeout = 1.5", `2: limits.write_timeout: 1.5 has no unit; write "1.5s"`},
		{"duration without unit, quoted", "[limits]\nwrite_timeout = \"10\"", `2: limits.write_timeout: "10" has no unit; write for example "10s"`},
		{"duration", "[limits]\nwrite_timeout = \"soon\"", `2: limits.write_timeout: "soon" is not a duration; write for example "10s" or "250ms"`},
		{"duration out of range", "[limits]\nwrite_timeout = \"2h\"", `2: limits.write_timeout: 2h is out of range; write a duration from 10ms to 1h`},
		{"truth", "[server]\nrequire_origin = \"yes\"", `2: server.require_origin: "yes" is neither true nor false; write one of them, without quotes`},
		{"text without quotes", "[server]\nlog_level = 3", `2: server.log_level: 3 is not a string; write "3"`},
		{"word", "[server]\nlog_level = \"loud\"", `2: server.log_level: "loud" is unknown; write "debug", "info", "warn" or "error"`},
		{"empty word", "[server]\nlog_format = \"xml\"", `2: server.log_format: "xml" is unknown; write "", "text" or "json"`},
		{"list", "[server]\norigins = \"https://a.example\"", `2: server.origins: "https://a.example" is not a list; write for example ["first", "second"]`},
		{"entry of a list", "[server]\norigins = [\n\"a\",\n3]", `2: server.origins: 3 in the list is not a string; write for example ["first", "second"]`},
		{"address", "[server]\naddress = \"example.com\"", `2: server.address: "example.com" is not an IP address; write for example "127.0.0.1", "0.0.0.0" or "localhost"`},
		{"address with port", "[server]\naddress = \"127.0.0.1:80\"", `2: server.address: "127.0.0.1:80" is not an IP address; write for example "127.0.0.1", "0.0.0.0" or "localhost"`},
		{"key", "[server]\nkey = 5", `2: server.key: the value is not a string; write it in quotes`},
		{"module", "[lua]\nmanager = \"../x\"", `2: lua.manager: "../x" is not the name of a module; write for example "giveaway" or "app.manager"`},
		{"no directory", "[lua]\npath = \"\"", `2: lua.path: the directory is missing; write for example "scripts"`},
		{"queue's address", "[queue]\naddress = \"localhost\"", `2: queue.address: "localhost" is not a host and port, nor the path of a socket; write for example "127.0.0.1:11300" or "/run/beanstalkd.sock"`},
		{"queue's socket", "[queue]\naddress = \"unix://run/b\"", `2: queue.address: "unix://run/b" is not a host and port, nor the path of a socket; write for example "127.0.0.1:11300" or "/run/beanstalkd.sock"`},
		{"queue's socket, too long", "[queue]\naddress = \"/" + strings.Repeat("x", 107) + "\"", `2: queue.address: "/` + strings.Repeat("x", 63) + `"... is not the path of a socket, which has at most 107 bytes`},
		{"queue's driver", "[queue]\ndriver = \"of\"", `2: queue.driver: "of" is unknown; write "beanstalkd", "redis", "database", "memory" or "off"`},
		{"path", "[console]\npath = \"/\"", `2: console.path: "/" is not a path; write letters, digits, - and _ between slashes, for example "/console/"`},
		{"path without its end", "[console]\npath = \"/{x}\"", `2: console.path: "/{x}" is not a path; write letters, digits, - and _ between slashes, for example "/console/"`},
		{"address of the console", "[console]\naddress = \"8090\"", `2: console.address: "8090" is not an IP address and a port; write for example "127.0.0.1:8090"`},
		{"name of a field", "[server]\nredact = [\"\"]", `2: server.redact: the name of a field is missing; write for example "pin"`},
		{"queue's name", "[queue]\nname = \"-x\"", `2: queue.name: "-x" is not the name of a queue; write letters, digits and -+/;.$_() only, for example "default"`},
		{"queue's name, with a space", "[queue]\ndriver = \"redis\"\nname = \"a b\"", `3: queue.name: "a b" is not the name of a queue; write 1 to 199 characters without spaces, for example "default"`},
		{"queue's address of redis", "[queue]\naddress = \"redis://:S3CRET@host\"", `2: queue.address: the address is that of a Redis server; set queue.driver = "redis"`},
		{"queue's address, no scheme", "[queue]\naddress = \"redi://me:S3CRET@host\"", `2: queue.address: "redi://***@host" is not a host and port, nor the path of a socket; write for example "127.0.0.1:11300" or "/run/beanstalkd.sock"`},
		{"queue's address, no port", "[queue]\ndriver = \"redis\"\naddress = \"redis://me:S3CRET@host:port/1\"", `3: queue.address: "redis://***@host:port/1" is not the address of a Redis server; write for example "127.0.0.1:6379", "unix:///run/redis.sock", "redis://user:password@host:6379/0", or rediss:// for TLS`},
		{"queue's map", "[queue]\nmap = 1", `2: queue.map: 1 is not a table; write [queue.map]`},
		{"entry of the map", "[queue.map]\nAdd = 1", `2: queue.map.Add: 1 is not the name of a command`},
		{"empty entry of the map", "[queue]\nmap.Add = \"\"", `2: queue.map.Add: "" is not the name of a command`},
		{"long text", "[lua]\nmanager = \"" + strings.Repeat("x/", 500) + "\"", `2: lua.manager: "` + strings.Repeat("x/", 32) + `"... is not the name of a module; write for example "giveaway" or "app.manager"`},

		{"process without command", "[processes.ls]\nargs = \"x\"", `1: processes.ls: command is missing; write for example command = ["/usr/bin/convert", "-strip"]`},
		{"process whose command is a string", "[processes.ls]\ncommand = \"/bin/ls\"", `2: processes.ls.command: "/bin/ls" is not a list; write for example ["first", "second"]`},
		{"process by name", "[processes.ls]\ncommand = [\"ls\"]", `2: processes.ls.command: the path of the program is not absolute; write for example ["/usr/bin/convert", "-strip"]`},
		{"process with a bad pattern", "[processes.ls]\ncommand = [\"/bin/ls\"]\nargs = \"(\"", `3: processes.ls.args: "(" is not a regular expression; write for example "[a-z0-9-]{1,32}"`},
		{"process with a bad environment", "[processes.ls]\ncommand = [\"/bin/ls\"]\nenv = { A = 1 }", `3: processes.ls.env: the environment must be a table of strings; write for example { LANG = "C.UTF-8" }`},
		{"process with a bad directory", "[processes.ls]\ncommand = [\"/bin/ls\"]\ncwd = 1", `3: processes.ls.cwd: 1 is not a string; write it in quotes`},
		{"process with an unknown key", "[processes.ls]\ncomand = 1\ncommand = [\"/bin/ls\"]", `2: processes.ls.comand: unknown key; did you mean "command"?`},
		{"process with a name in dots", "[processes.\"a b\"]\ncommand = [\"/bin/ls\"]", `1: processes."a b": the name of a process may have only letters, digits, _ and -`},
		{"key without a file", "[keys.shop]\ncommands = [\"A\"]", `1: keys.shop: key_file is missing; write for example key_file = "shop.key"`},
		{"key with an empty file", "[keys.shop]\ncommands = [\"A\"]\nkey_file = \"\"", `3: keys.shop.key_file: key_file is missing; write for example key_file = "shop.key"`},
		{"key without commands", "[keys.shop]\nkey_file = \"a\"", `1: keys.shop: the key opens no command; write for example commands = ["AddPrize"]`},
		{"key that stands in the file", "[keys.shop]\nkey = \"S3CRET\"\nkey_file = \"a\"\ncommands = [\"A\"]", `2: keys.shop.key: a key does not stand in the file; write it into a file of its own, and name that in key_file`},
		{"key of another mode", "[keys.shop]\nkey_file = \"a\"\nkey_file_mode = \"0640\"\ncommands = [\"A\"]", `3: keys.shop.key_file_mode: "0640" is unknown; write "owner" or "any"`},
		{"keys that are no tables", "keys = 1", `1: keys: it is not a table; write [keys.NAME]`},
		{"process that is no table", "[processes]\nls = 1", `2: processes.ls: it is not a table; write [processes.NAME]`},
		{"processes that are no tables", "processes = 1", `1: processes: it is not a table; write [processes.NAME]`},
		{"drain over timeout", "[stop]\ndrain = \"20s\"", `2: stop.drain: 20s is more than stop.timeout, which is 10s`},
		{"timeout under drain", "[stop]\ntimeout = \"1s\"", `2: stop.timeout: 1s is less than stop.drain, which is 3s`},
		{"queue over memory", "[limits]\nsend_memory = \"512KiB\"", `2: limits.send_memory: 512KiB is less than limits.send_queue_bytes, which is 1MiB`},
		{"saves for jobs without a file", "[state]\nsync = \"job\"", `2: state.sync: "job" needs state.file, which is empty; write for example file = "state.json" in the same section, or sync = "interval"`},
		{"saves for jobs without a string", "[state]\nsync = \"job\"\nfile = 1", `3: state.file: 1 is not a string; write "1"`},

		{"syntax", "[server]\nport = \n", `2:8: expected value but found '\n' instead; write a value after the =, or "" for an empty string`},
		{"syntax of the last line", "[server]\nlog_level = \"x", `2:14: unexpected EOF; expected '"'`},
		{"twice", "[server]\nport = 1\nport = 2", `3:1: Key 'server.port' has already been defined; remove one of the two lines`},
		{"section twice", "[server]\n[server]", `2:2: Key 'server' has already been defined; a section can occur only once: move these lines below the first`},
		{"word without quotes", "[lua]\nmanager = auction # ours", `2:11: expected value but found "auction" instead; strings need quotes: manager = "auction"`},
		{"words without quotes", "[lua]\nmanager = tea party", `2:11: expected value but found "tea" instead; strings need quotes: manager = "..."`},
		{"a secret without quotes", "[app]\npass = hunter two", `2:8: the value of app.pass is neither a string in quotes nor another value of TOML, or the key is set twice`},
		{"a secret of digits", "[processes.x]\nenv = { TOKEN = 99999999999999999999123 }", `2:17: the value of processes.x.env.TOKEN is neither a string in quotes nor another value of TOML, or the key is set twice`},
		{"path without quotes", "[state]\nfile = /tmp/x", `2:8: expected value but found '/' instead; strings need quotes: file = "..."`},
		{"truth in other words", "[server]\nrequire_origin = yes", `2:18: expected value but found "yes" instead; write true or false, or a string in quotes`},
		{"duration without quotes", "[stop]\ndrain = 1s", `2:10: expected a top-level item to end with a newline, comment, or EOF, but got 's' instead; strings need quotes, and so do durations such as "10s" and sizes such as "64KiB"`},
		{"message of two lines", "a = 0b\n", `1:5: not a binary number: '0b?'`},
		{"key that a terminal would obey", "\"\\u001b[2J\" = 1", `1: "\u001b[2J": unknown key`},
		{"long key", strings.Repeat("x", 500) + " = 1", `1: ` + strings.Repeat("x", 200) + `: unknown key`},
		{"not a text", "\xff\xfe\x00", `1:1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.text)
			c, err := Load(Source{Path: path})
			if err == nil {
				t.Fatalf("Load(%q) = %+v, want an error", test.text, c)
			}
			if want := path + ":" + test.want; err.Error() != want {
				t.Errorf("Load(%q)\n got %s\nwant %s", test.text, err, want)
			}
		})
	}
}

// The errors of all sources are reported at once: those of the file by line, then of variables, then of flags.
func TestErrorsAreJoined(t *testing.T) {
	path := write(t, "[stop]\ndrain = \"1m\"\n[server]\nprot = 1\nport = \"x\"\n[limits]\nread_limit = \"64 potatoes\"\n")
	_, err := Load(Source{
		Path: path,
		Env:  []string{"SERVER_PORT=abc", "SERVER_LIMITS_SHARDS=-1"},
		Flags: map[string]string{
			"server.port": "70000", "limits.read_limit": "", "roster.interval": "10", "server.nothing": "1", "queue.map": "x",
		},
	})
	if err == nil {
		t.Fatal("Load = nil, want an error")
	}
	want := []string{
		path + `:2: stop.drain: 60s is more than stop.timeout, which is 10s`,
		path + `:4: server.prot: unknown key; did you mean "port"?`,
		path + `:5: server.port: "x" is not a port; write a number from 1 to 65535, or 0 for any free port`,
		path + `:7: limits.read_limit: "64 potatoes" is not a size; write for example "64KiB" or "1MiB"`,
		`SERVER_PORT: "abc" is not a port; write a number from 1 to 65535, or 0 for any free port`,
		`SERVER_LIMITS_SHARDS: -1 is out of range; write a number from 0 to 256`,
		`--port: 70000 is not a port; write a number from 1 to 65535, or 0 for any free port`,
		`--limits-read-limit: "" is not a size; write for example "64KiB" or "1MiB"`,
		`--roster-interval: "10" has no unit; write for example "10s"`,
		`queue.map: no such setting`,
		`server.nothing: no such setting`,
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("Load\n got %s\nwant %s", got, strings.Join(want, "\n"))
	}
}

// The number of reported errors is bounded.
func TestErrorsAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("[server]\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "unknown%d = 1\n", i)
	}
	_, err := Load(Source{Path: write(t, text.String())})
	if err == nil {
		t.Fatal("Load(10,000 unknown keys) = nil, want an error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxErrors+1 || !strings.HasSuffix(lines[maxErrors], errTooMany.Error()) {
		t.Errorf("Load(10,000 unknown keys) has %d lines, the last %q; want %d and %q", len(lines), lines[len(lines)-1], maxErrors+1, errTooMany)
	}
}

// Loading any file ends, and returns either settings in their ranges or errors that begin with its name.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"", "[server]\nport = 1", "[server]\nprot = \"x\"\n[limits]\nread_limit = \"1KiB\"", "a.b = {c = [1, {d = 2}]}", "[[app.x]]\ny = 1",
		"[queue.map]\nA = \"B\"", "server = {port = 1}", "\ufeff[stop]\ndrain = 10", "[processes.x]\n[app]\nt = 07:32:00",
		"[processes.x]\ncommand = [\"/bin/x\"]\nargs = \"[a-z]\"\nenv = {A = \"b\"}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l := newLoader()
		l.readText("server.toml", string(text))
		l.checkConsistency()
		if err := l.errs.join(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "server.toml:") {
					t.Errorf("error %q, want it to begin with server.toml:", line)
				}
			}
			return
		}
		for _, s := range l.settings {
			if value := s.value(l.config); s.check(value) != nil && s.Name != "server.key" {
				t.Errorf("%s = %v, want an error: %v", s.Name, value, s.check(value))
			}
		}
	})
}
