package main

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/enginetest/redis"
	"perigee/engine/testkit"
)

// outside runs programs and commands of examples against a server and its queue service.
type outside struct {
	t       *testing.T
	ports   *strings.Replacer // replaces the usual ports by those of the two
	environ []string          // of perigee
	boot    string            // the PHP file that makes a Laravel application of a directory
	laravel bool              // the section has an application
}

// Examples whose programs and commands reach a server add the prize or print the lines that they show. Each section has a
// server and a queue service of its own.
func TestDocumentJobs(t *testing.T) {
	boot, err := filepath.Abs("testdata/laravel.php")
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]int{} // the examples, by kind
	for _, document := range enginetest.Guides(t) {
		for _, section := range document.Sections {
			if needsServer(section) && !starts(section) {
				t.Run(document.Path+"/"+section.Title, func(t *testing.T) { jobs(t, section, boot, tried) })
			}
		}
	}
	for _, kind := range []string{
		"curl /api/commands", "curl /readyz", "curl /metrics", "nc", "redis-cli", "perigee push", "perigee queue", "python", "php", "laravel",
	} {
		if tried[kind] == 0 {
			t.Errorf("the documents have examples of %v, want one of %q too", tried, kind)
		}
	}
}

// jobs runs the examples of a section, and counts them by kind.
func jobs(t *testing.T, section enginetest.Section, boot string, tried map[string]int) {
	t.Helper()
	for _, block := range section.Blocks {
		tried[block.Language]++
		if strings.Contains(block.Text, "ShouldQueue") {
			tried["laravel"]++
		}
	}
	for _, command := range commands(section) {
		for kind, pattern := range map[string]string{
			"curl /api/commands": `^curl .*Authorization`, "curl /readyz": `^curl .*/readyz`, "curl /metrics": `^curl .*/metrics`,
			"nc": ` nc `, "redis-cli": `^redis-cli`, "perigee push": `^perigee push`, "perigee queue": `^perigee queue`,
		} {
			if regexp.MustCompile(pattern).MatchString(command) {
				tried[kind]++
			}
		}
	}
	queue, usual := queueOf(t, section)
	server := enginetest.Start(t, func(c *config.Config) {
		c.Queue.Driver, c.Queue.Address, c.Queue.Prefix = queue.Driver, queue.Address, queue.Prefix
	})
	testkit.WaitFor(t, "the server to take jobs", func() bool { return strings.Contains(server.Log(), "queue: connected") })
	alice := server.Dial(t, "alice")
	alice.Expect("UpdatePrizes") // of the opening
	t.Chdir(t.TempDir())
	environ := []string{"SERVER_QUEUE_DRIVER=" + queue.Driver, "SERVER_QUEUE_ADDRESS=" + queue.Address, "SERVER_QUEUE_PREFIX=" + queue.Prefix}
	o := &outside{t: t, ports: ports(t, server, usual, queue.Address), environ: environ, boot: boot}
	prizes := 0
	for _, block := range section.Blocks {
		block.Text = o.ports.Replace(block.Text)
		if !o.run(block) {
			continue
		}
		if strings.Contains(block.Text, "AddPrize") {
			prizes++
			frame := alice.Expect("UpdatePrizes")
			list, _ := frame["prizes"].([]any)
			if prize, _ := list[len(list)-1].(map[string]any); len(list) != prizes || prize["name"] != "Mug" || prize["sponsor"] != "Acme" {
				t.Errorf("%s: alice < %v, want %d prizes and the mug of Acme last", block.Place(), frame, prizes)
			}
		}
	}
}

// portOf returns the port of a server.
func portOf(t *testing.T, server *enginetest.Server) string {
	t.Helper()
	page, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return page.Port()
}

// queueOf starts the queue service that the settings in a section name, and returns the settings and the service's usual port.
func queueOf(t *testing.T, section enginetest.Section) (c config.Queue, usualPort string) {
	t.Helper()
	for _, block := range section.Blocks {
		if block.Language != "toml" || !strings.Contains(block.Text, `driver = "redis"`) {
			continue
		}
		prefix := regexp.MustCompile(`prefix = "(.*)"`).FindStringSubmatch(block.Text)
		return config.Queue{Driver: config.DriverRedis, Address: redis.Start(t, redis.Options{}).Address, Prefix: prefix[1]}, "6379"
	}
	return config.Queue{Driver: config.DriverBeanstalkd, Address: beanstalkd.Start(t, beanstalkd.Options{}).Address}, "11300"
}

// ports replaces the usual ports by those of a server and of its queue service.
func ports(t *testing.T, server *enginetest.Server, usual, queue string) *strings.Replacer {
	t.Helper()
	_, port, err := net.SplitHostPort(queue)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("8080", portOf(t, server), usual, port)
}

// run runs a block and reports whether it is a program, and not a file.
func (o *outside) run(b enginetest.Block) bool {
	o.t.Helper()
	switch b.Language {
	case "python":
		o.needs(b, "python3")
		o.program(b, "python3", "-c", b.Text)
		return true
	case "php":
		o.needs(b, "php")
		return o.php(b)
	case "console":
		o.console(b)
		return true
	}
	return false
}

// needs skips the test if a program or a library is not installed.
func (o *outside) needs(b enginetest.Block, name string) {
	o.t.Helper()
	var err error
	if filepath.IsAbs(name) {
		_, err = os.Stat(name)
	} else {
		_, err = exec.LookPath(name)
	}
	testkit.Need(o.t, err == nil, name+", which "+b.Place()+" uses,")
}

// program runs a program and returns its output.
func (o *outside) program(b enginetest.Block, name string, args ...string) string {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), testkit.Timeout)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	printed, err := command.Output()
	if err != nil {
		o.t.Fatalf("%s: %s = %v, %s%s, want it to work", b.Place(), name, err, printed, stderr.String())
	}
	return string(printed)
}

// php writes a block whose comment names a file, and runs any other block: in the Laravel application, if there is one. It
// reports whether it ran the block.
func (o *outside) php(b enginetest.Block) bool {
	o.t.Helper()
	file := "program.php"
	named := regexp.MustCompile(`^<\?php\n// ([A-Za-z/]+\.php)\n`).FindStringSubmatch(b.Text)
	if named != nil {
		file = filepath.FromSlash(named[1])
		o.laravel = true
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(b.Text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	if named != nil {
		return false
	}
	o.needs(b, "/usr/share/php/Pheanstalk/autoload.php")
	if o.laravel {
		o.needs(b, "/usr/share/php/Illuminate/autoload.php")
		o.program(b, "php", "-d", "auto_prepend_file="+o.boot, file)
	} else {
		o.program(b, "php", file)
	}
	return true
}

// console runs the commands after each $: perigee in this process, blocks of other commands in a shell. The lines after a
// command are its output.
func (o *outside) console(b enginetest.Block) {
	o.t.Helper()
	var commands []string
	var printed [][]string // by each of them
	for line := range strings.Lines(b.Text) {
		line = strings.TrimSuffix(line, "\n")
		command, typed := strings.CutPrefix(line, "$ ")
		last := len(commands) - 1
		switch {
		case typed:
			commands, printed = append(commands, command), append(printed, nil)
		case strings.HasSuffix(commands[last], "\\"):
			commands[last] += "\n" + line
		default:
			printed[last] = append(printed[last], line)
		}
	}
	if !strings.HasPrefix(commands[0], "perigee ") {
		for _, program := range []string{"curl", "nc", "redis-cli"} {
			if strings.Contains(b.Text, program+" ") {
				o.needs(b, program)
			}
		}
		output := strings.ReplaceAll(o.program(b, "sh", "-c", "set -e\n"+strings.Join(commands, "\n")), "\r", "")
		if want := strings.Join(printed[len(printed)-1], "\n") + "\n"; output != want {
			o.t.Errorf("%s: the commands print %q, want %q", b.Place(), output, want)
		}
		return
	}
	for i, command := range commands {
		o.perigee(b, command, printed[i])
	}
}

// perigee runs a command and compares its output. It repeats perigee queue until the output is right, since the server works
// meanwhile.
func (o *outside) perigee(b enginetest.Block, command string, want []string) {
	o.t.Helper()
	args := strings.Split(o.program(b, "sh", "-c", `printf '%s\n' `+command), "\n")
	for give := time.After(testkit.Timeout); ; {
		_, stdout, stderr := perigee(o.t, o.environ, args[1:len(args)-1]...)
		if stderr == "" && prints(stdout, want) {
			return
		}
		if !strings.HasPrefix(command, "perigee queue ") {
			o.t.Fatalf("%s: %s prints %s%s, want %q", b.Place(), command, stdout, stderr, want)
		}
		select {
		case <-give:
			o.t.Fatalf("%s: %s prints %s%s, want %q", b.Place(), command, stdout, stderr, want)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// prints reports whether a text consists of the wanted lines, whatever the age of a job.
func prints(text string, want []string) bool {
	age := regexp.MustCompile(`(?m)^age +\d+s$`)
	return age.ReplaceAllString(text, "age") == age.ReplaceAllString(strings.Join(want, "\n")+"\n", "age")
}
