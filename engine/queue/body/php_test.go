package body

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"perigee/engine/testkit"
)

// queue is a beanstalkd and a connection to it.
type queue struct {
	address *net.TCPAddr
	conn    net.Conn
	answers *bufio.Reader
}

// start starts a beanstalkd for a test. It inherits a listening socket, so no other process can take its port, and a client can
// connect before it has started.
func start(ctx context.Context, t *testing.T) *queue {
	t.Helper()
	beanstalkd := testkit.Program(t, "beanstalkd")
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// sd_listen_fds(3): descriptor 3 is for the process with this PID.
	command := exec.CommandContext(ctx, "sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0"`, beanstalkd)
	command.ExtraFiles = []*os.File{file}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Kill(); err != nil {
			t.Errorf("ending beanstalkd: %v", err)
		}
		_ = command.Wait() // it was killed
	})

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	return &queue{address: listener.Addr().(*net.TCPAddr), conn: conn, answers: bufio.NewReader(conn)}
}

// ask sends a line and reads the answer, which must begin with want; the numbers after it are scanned.
func (q *queue) ask(t *testing.T, line, want string, numbers ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(q.conn, "%s\r\n", line); err != nil {
		t.Fatal(err)
	}
	answer, err := q.answers.ReadString('\n')
	rest, found := strings.CutPrefix(answer, want)
	if err != nil || !found {
		t.Fatalf("beanstalkd answers %q, %v to %q, want %s", answer, err, line, want)
	}
	if _, err := fmt.Sscan(rest, numbers...); err != nil && len(numbers) > 0 {
		t.Fatalf("beanstalkd answers %q to %q: %v", answer, line, err)
	}
}

// body reads the data after an answer.
func (q *queue) body(t *testing.T, length int) []byte {
	t.Helper()
	text := make([]byte, length+len("\r\n"))
	if _, err := io.ReadFull(q.answers, text); err != nil {
		t.Fatal(err)
	}
	return text[:length]
}

// take reserves and deletes the next job, and returns its ID and body.
func (q *queue) take(t *testing.T) (id string, text []byte) {
	t.Helper()
	var length int
	q.ask(t, "reserve", "RESERVED ", &id, &length)
	text = q.body(t, length)
	q.ask(t, "delete "+id, "DELETED")
	return id, text
}

// delayed checks that a job was put with a delay of one second.
func (q *queue) delayed(t *testing.T, id string) {
	t.Helper()
	var length int
	q.ask(t, "stats-job "+id, "OK ", &length)
	if stats := q.body(t, length); !strings.Contains(string(stats), "\ndelay: 1\n") {
		t.Errorf("stats-job %s = %s, want a delay of 1", id, stats)
	}
}

// dispatch makes Laravel dispatch jobs to a tube, and returns their names by ID.
func dispatch(ctx context.Context, t *testing.T, q *queue, tube, which string) map[string]string {
	t.Helper()
	connection := fmt.Sprintf(`{"driver":"beanstalkd","host":%q,"port":%d,"queue":%q,"retry_after":90,"block_for":0}`,
		q.address.IP.String(), q.address.Port, tube)
	command := exec.CommandContext(ctx, testkit.Program(t, "php"), filepath.Join("testdata", "jobs.php"), connection, which)
	var stderr strings.Builder
	command.Stderr = &stderr
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, stderr.String())
	}
	names := map[string]string{}
	for line := range strings.Lines(string(printed)) {
		name, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		names[id] = name
	}
	return names
}

// result is an expected result of Parse; fault is a part of its error.
type result struct {
	Body
	fault string
}

func fault(text string) result { return result{fault: text} }

// is returns a job with a class or a name, and JSON as its arguments.
func is(class, arguments string) result {
	b := Body{Name: class[strings.LastIndexByte(class, '\\')+1:], Class: class}
	if b.Name == class {
		b.Class = ""
	}
	if arguments != "" {
		b.Arguments = []byte(arguments)
	}
	return result{Body: b}
}

func giveaway(name, arguments string) result { return is(`App\Giveaway\Commands\`+name, arguments) }

func anything(value string) result { return is(`App\Jobs\Anything`, `{"value":`+value+`}`) }

func prize(sponsor string) result {
	r := is(`App\Jobs\AddPrize`, `{"name":"Mug","sponsor":`+sponsor+`,"secret":3}`)
	r.MaxTries, r.Timeout = 7, 45*time.Second
	return r
}

const (
	mug  = `{"name":"Mug","sponsor":"Acme"}`
	acme = `{"name":"Acme","web":null,"since":1999}`
)

// dispatched returns the expected results of the jobs in testdata/jobs.php.
func dispatched() map[string]result {
	return map[string]result{
		"fluent":            giveaway("AddPrize", `{"prize":`+mug+`}`),
		"fluent_empty":      giveaway("ResetPrizes", ""),
		"fluent_connection": giveaway("RegisterConnection", `{"connection":{"uuid":"u-1","type":"player"}}`),
		"fluent_nulls":      giveaway("CloseConnections", `{"type":"player"}`),
		"fluent_delay":      giveaway("NotifyConnection", `{"receiver":"u-2","sender":"u-1"}`),

		"job":         prize(`"Acme"`),
		"job_delayed": prize(`"Acme"`),
		"job_private": prize(`{"name":"Acme","web":"acme.example","since":null}`),
		"job_model":   prize(`{"class":"App\\Jobs\\Model","id":12,"relations":["sponsor"],"connection":"mysql"}`),
		"unicode":     anything(`"Tasse für Zoë 😀 \"'\\/\n\u0000"`),
		"numbers":     anything(`[0,-5,9223372036854775807,-9223372036854775808,0.1,-2.5,1,1e+25,1e-9,true,false,null]`),
		"arrays":      anything(`{"list":["a",["b"]],"map":{"1":"x","2":"y"},"7":"n","":[],"o":{}}`),
		"objects":     anything(`[{"a":1},{},["b","c"],[],"text"]`),
		"enum":        anything(`{"first":"Large","second":"Large"}`),
		"date":        anything(`{"date":"2026-11-23 04:00:00.000000","timezone_type":3,"timezone":"UTC"}`),
		"shared":      anything(`[` + acme + `,["again","again"],` + acme + `,` + acme + `]`),
		"nested":      anything(`[{"x":` + acme + `},` + acme + `]`),

		"broadcast":       is(`App\Jobs\PrizeAdded`, `{"prize":`+mug+`}`),
		"listener":        is(`App\Listeners\TellPlayers`, `{"prize":{"name":"Mug","sponsor":"Acme"},"queue":"prizes"}`),
		"listener_method": is(`App\Listeners\TellPlayers@onPrize`, `["prize.added",[1,`+mug+`]]`),

		"string":        is("AddPrize", mug),
		"string_class":  is(`App\Jobs\AddPrize`, `{"prize":`+mug+`}`),
		"string_method": is(`App\Jobs\Prizes@add`, `{"prize":`+mug+`}`),
		"string_empty":  is("ResetPrizes", ""),
		"raw":           is("AddPrize", `{"prize":`+mug+`}`),

		"custom":        fault("only its PHP code can read"),
		"custom_shared": fault("a reference past an object of a Serializable class"),
		"loop":          fault("it refers to itself"),
		"infinite":      fault("an infinite number"),
		"chained":       fault("other jobs are chained to the job"),
		"batch":         fault("the job belongs to a batch"),
		"encrypted":     fault("the job is encrypted"),
		"closure":       fault("the job is a closure"),
		"notification":  fault("the job is a Laravel notification"),
	}
}

// Jobs that Laravel dispatches to a beanstalkd have the expected commands and arguments; unsupported ones are refused.
func TestDispatched(t *testing.T) {
	_, err := os.Stat("/usr/share/php/Illuminate/autoload.php")
	testkit.Need(t, err == nil, "php-laravel-framework")
	_, err = os.Stat("/usr/share/php/Pheanstalk/autoload.php")
	testkit.Need(t, err == nil, "php-pda-pheanstalk")
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	t.Cleanup(cancel)
	q := start(ctx, t)
	const tube = "prizes"
	q.ask(t, "watch "+tube, "WATCHING")
	names := dispatch(ctx, t, q, tube, "all")
	want := dispatched()
	if len(names) != len(want) {
		t.Errorf("jobs.php dispatches %d jobs, want %d", len(names), len(want))
	}
	for id, name := range names {
		if name == "job_delayed" {
			q.delayed(t, id)
		}
	}
	for range names {
		id, text := q.take(t)
		name := names[id]
		want, known := want[name]
		if !known {
			t.Errorf("jobs.php dispatches %q, which is not expected", name)
			continue
		}
		t.Run(name, func(t *testing.T) { compare(t, text, want.Body, want.fault) })
	}
}

// compare compares the result of Parse for a job of Laravel with the expected one.
func compare(t *testing.T, text []byte, want Body, fault string) {
	t.Helper()
	got, err := Parse(text)
	if fault != "" {
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("Parse(%s) = %+v, %v, want an error with %q", text, got, err, fault)
		}
		return
	}
	check(t, string(text), want)
}

// The arguments of a serialized value are what PHP's json_encode() writes for it.
func TestSameAsPHP(t *testing.T) {
	const seed, count = "7", 400
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	t.Cleanup(cancel)
	printed, err := exec.CommandContext(ctx, testkit.Program(t, "php"), filepath.Join("testdata", "values.php"), seed, fmt.Sprint(count)).Output()
	if err != nil {
		t.Fatalf("php: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(printed)), "\n")
	if len(lines) != count {
		t.Fatalf("values.php prints %d lines, want %d", len(lines), count)
	}
	for _, line := range lines {
		var pair struct{ Body, JSON string }
		if err := json.Unmarshal([]byte(line), &pair); err != nil {
			t.Fatalf("values.php prints %s: %v", line, err)
		}
		got, err := Parse([]byte(pair.Body))
		if err != nil || !reflect.DeepEqual(decode(t, got.Arguments), decode(t, []byte(pair.JSON))) {
			t.Errorf("Parse(%s) = %s, %v, want %s", pair.Body, got.Arguments, err, pair.JSON)
		}
	}
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
