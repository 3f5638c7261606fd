package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"perigee/cmd/perigee/report"
	"perigee/engine/console"
	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/testkit"
)

// queue counts, shows, kicks and deletes jobs that push has put. Each command prints what it did, or an error with a remedy.
func TestQueueCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	b := beanstalkd.Start(t, beanstalkd.Options{})
	large := `{"text":"` + strings.Repeat("x", 1<<16) + `"}`
	for _, row := range []struct {
		args   string // words; what follows a | is one word
		code   int
		stdout string // regular expressions
		stderr string
	}{
		{`queue stats`, 0, `^queue +default\nready +0\n(.+\n){4}note +no server or worker uses a queue with this name\n$`, "^$"},
		{`push AddPrize |{"prize":{"name":"Mug"}}`, 0, `^job 1 is in "default"\n$`, "^$"},
		{`push --delay 1h --priority 7 ResetPrizes`, 0, `^job 2 is in "default"\n$`, "^$"},
		{`push --tube prizes ResetPrizes`, 0, `^job 3 is in "prizes"\n$`, "^$"},
		{`push AddPrize |` + large, 1, "^$", "^perigee: .*the job is larger than it accepts\n$"},
		{`push`, 2, "^$", "the name of a command is missing"},
		{`push AddPrize |{prize: 1}`, 2, "^$", "the arguments are not JSON; write for example '"},
		{`push AddPrize 5`, 2, "^$", "the arguments must be a JSON object, found a number; write for example '"},
		{`push AddPrize [1]`, 2, "^$", "the arguments must be a JSON object, found a list"},
		{`push AddPrize {"prize": |{"name":"Mug"}}`, 2, "^$", "are there single quotes around the JSON"},
		{`push --delay 1500ms AddPrize`, 2, "^$", `--delay: 1500ms is not allowed; use whole seconds, at least 0s, for example "2s"`},
		{`push --tube |two words`, 2, "^$", "the name of a command is missing"},
		{`queue stats --tube |two words`, 1, "^$", `"two words" is not a valid tube name: a name has only letters, digits`},
		{`queue stats`, 0, `^queue +default\nready +1\ndelayed +1\nreserved +0\nburied +0\nwaiting +0\n$`, "^$"},
		{`queue peek`, 0, `^job +1\nqueue +default\nstate +ready\npriority +1024\n(.+\n){3}body +\{"job":"AddPrize","data":\{"prize":\{"name":"Mug"\}\}\}\n$`, "^$"},
		{`queue peek delayed`, 0, `^job +2\nqueue +default\nstate +delayed\npriority +7\n`, "^$"},
		{`queue peek 3`, 0, `^job +3\nqueue +prizes\n`, "^$"},
		{`queue peek buried`, 1, "^$", `^perigee: queue peek: no job of "default" is buried\n$`},
		{`queue peek 9`, 1, "^$", "^perigee: queue peek: there is no job 9\n$"},
		{`queue peek first`, 2, "^$", `"first" is neither ready, delayed, buried nor a number`},
		{`queue kick 5`, 0, `^made ready again in "default": 1\n$`, "^$"},
		{`queue kick`, 0, `^no job of "default" is buried or delayed\n$`, "^$"},
		{`queue kick --job 1`, 1, "^$", "^perigee: queue kick: there is no job 1 that is buried or delayed\n$"},
		{`queue kick all`, 2, "^$", `"all" is not a number of jobs`},
		{`queue delete 1`, 0, "^deleted job 1\n$", "^$"},
		{`queue delete 1`, 1, "^$", "^perigee: queue delete: there is no job 1, or a worker has reserved it\n$"},
		{`queue delete`, 2, "^$", "the number of the job is missing"},
		{`queue delete 1 2`, 2, "^$", `unexpected argument "2"`},
		{`queue kick 1 2`, 2, "^$", `unexpected argument "2"`},
		{`queue kick --job 1 2`, 2, "^$", `either --job 1 or the count "2"`},
		{`queue peek buried 7`, 2, "^$", `unexpected argument "7"`},
		{`queue fix`, 2, "^$", `there is no command "fix"`},
		{`queue`, 0, "stats, peek, failed, kick, delete", "^$"},
	} {
		words, last, more := strings.Cut(row.args, "|")
		args := strings.Fields(words)
		if more {
			args = append(args, last)
		}
		code, stdout, stderr := perigee(t, []string{"SERVER_QUEUE_ADDRESS=" + b.Address}, args...)
		if code != row.code || !regexp.MustCompile(row.stdout).MatchString(stdout) || !regexp.MustCompile(row.stderr).MatchString(stderr) {
			t.Errorf("perigee %.80s = %d, %q, %q, want %d, %s, %s", row.args, code, stdout, stderr, row.code, row.stdout, row.stderr)
		}
	}
}

// --json prints the contents of the queue for programs.
func TestQueueForPrograms(t *testing.T) {
	t.Chdir(t.TempDir())
	b := beanstalkd.Start(t, beanstalkd.Options{})
	environ := []string{"SERVER_QUEUE_ADDRESS=" + b.Address}
	perigee(t, environ, "push", "AddPrize", `{"prize":{"name":"Mug"}}`)
	_, text, _ := perigee(t, environ, "queue", "stats", "--json")
	var stats report.Queue
	if err := json.Unmarshal([]byte(text), &stats); err != nil || stats != (report.Queue{Counts: console.Counts{Queue: "default", Ready: 1}}) {
		t.Errorf("queue stats --json = %s, %v, want one job that is ready", text, err)
	}
	_, text, _ = perigee(t, environ, "queue", "peek", "--json")
	var job report.Job
	err := json.Unmarshal([]byte(text), &job)
	if job.Age = 0; err != nil || job != (report.Job{Job: console.Job{
		Job: 1, Queue: "default", State: "ready", Priority: 1024, Body: `{"job":"AddPrize","data":{"prize":{"name":"Mug"}}}`,
	}}) {
		t.Errorf("queue peek --json = %s, %v, want the job", text, err)
	}
}

// If the queue cannot be reached, the error has a remedy.
func TestQueueOutOfReach(t *testing.T) {
	t.Chdir(t.TempDir())
	commands := []string{"queue stats", "queue peek", "queue peek 1", "queue kick", "queue kick --job 1", "queue delete 1"}
	absent := testkit.ReservePort(t)
	for _, row := range []struct {
		claim, environ, want string
		commands             []string
	}{
		{
			"beanstalkd is not there", "SERVER_QUEUE_ADDRESS=" + absent,
			"connection refused: start beanstalkd there, or name its address with queue.address or --queue-address\n$",
			commands,
		},
		{
			"beanstalkd is not there for a push", "SERVER_QUEUE_ADDRESS=" + absent,
			"connection refused: start beanstalkd there, or name its address with queue.address or --queue-address; for a server started with --queue-driver memory, use that flag here too\n$",
			[]string{"push AddPrize"},
		},
		{
			"the queue is the server's own", "SERVER_QUEUE_DRIVER=memory",
			`^perigee: queue.driver is "memory": the queue is inside the running server, .* perigee push and perigee queue failed`,
			commands,
		},
		{
			"there is none", "SERVER_QUEUE_DRIVER=off",
			`^perigee: queue.driver is "off": there is no queue; set it to "beanstalkd", "redis", "database" or "memory"\n$`,
			append(commands, "push AddPrize"),
		},
		{
			"the socket is not there", "SERVER_QUEUE_ADDRESS=unix:///no/such.sock",
			`/no/such.sock: dial: connect: no such file or directory: start beanstalkd there, or name its address with queue.address or --queue-address\n$`,
			commands,
		},
	} {
		for _, command := range row.commands {
			code, stdout, stderr := perigee(t, []string{row.environ}, strings.Fields(command)...)
			if code != exitFailed || stdout != "" || !regexp.MustCompile(row.want).MatchString(stderr) {
				t.Errorf("%s: perigee %s = %d, %q, %q, want 1 and %s", row.claim, command, code, stdout, stderr, row.want)
			}
		}
	}
}
