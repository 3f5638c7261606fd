package body

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const class = `App\Jobs\AddPrize`

// versions returns the bodies of one job as different versions of Laravel write it: two properties of its own, and those of the
// framework.
func versions() []struct {
	text string
	want Body
} {
	return []struct {
		text string
		want Body
	}{
		{ // Laravel 5.1
			`{"job":"Illuminate\\Queue\\CallQueuedHandler@call","data":{"command":"O:17:\"App\\Jobs\\AddPrize\":5:{s:7:\"\u0000*\u0000name\";s:15:\"Tasse f\u00fcr Zo\u00eb\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:6:\"\u0000*\u0000job\";N;s:5:\"queue\";N;s:5:\"delay\";N;}"}}`,
			Body{},
		},
		{ // Laravel 5.2
			`{"job":"Illuminate\\Queue\\CallQueuedHandler@call","data":{"commandName":"App\\Jobs\\AddPrize","command":"O:17:\"App\\Jobs\\AddPrize\":6:{s:7:\"\u0000*\u0000name\";s:15:\"Tasse f\u00fcr Zo\u00eb\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:10:\"connection\";N;s:5:\"queue\";s:6:\"prizes\";s:5:\"delay\";i:10;s:6:\"\u0000*\u0000job\";N;}"}}`,
			Body{},
		},
		{ // Laravel 5.4
			`{"displayName":"App\\Jobs\\AddPrize","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":3,"timeout":null,"data":{"commandName":"App\\Jobs\\AddPrize","command":"O:17:\"App\\Jobs\\AddPrize\":7:{s:5:\"tries\";i:3;s:7:\"\u0000*\u0000name\";s:15:\"Tasse f\u00fcr Zo\u00eb\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:6:\"\u0000*\u0000job\";N;s:10:\"connection\";N;s:5:\"queue\";N;s:5:\"delay\";N;}"}}`,
			Body{MaxTries: 3},
		},
		{ // Laravel 5.8
			`{"displayName":"App\\Jobs\\AddPrize","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":null,"delay":30,"timeout":120,"timeoutAt":null,"data":{"commandName":"App\\Jobs\\AddPrize","command":"O:17:\"App\\Jobs\\AddPrize\":11:{s:7:\"\u0000*\u0000name\";s:15:\"Tasse f\u00fcr Zo\u00eb\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:7:\"timeout\";i:120;s:10:\"retryAfter\";i:30;s:6:\"\u0000*\u0000job\";N;s:10:\"connection\";N;s:5:\"queue\";N;s:15:\"chainConnection\";N;s:10:\"chainQueue\";N;s:5:\"delay\";N;s:7:\"chained\";a:0:{}}"}}`,
			Body{Timeout: 2 * time.Minute},
		},
		{ // Laravel 7
			`{"uuid":"9d3ce9c8-4f39-4a45-9a5e-0f0f9a3c3a11","displayName":"App\\Jobs\\AddPrize","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":null,"maxExceptions":null,"delay":null,"timeout":null,"timeoutAt":null,"data":{"commandName":"App\\Jobs\\AddPrize","command":"O:17:\"App\\Jobs\\AddPrize\":10:{s:7:\"\u0000*\u0000name\";s:15:\"Tasse f\u00fcr Zo\u00eb\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:3:\"job\";N;s:10:\"connection\";s:10:\"beanstalkd\";s:5:\"queue\";N;s:15:\"chainConnection\";N;s:10:\"chainQueue\";N;s:5:\"delay\";N;s:10:\"middleware\";a:0:{}s:7:\"chained\";a:0:{}}"}}`,
			Body{},
		},
		{ // Laravel 9.0
			`{"uuid":"9d3ce9c8-4f39-4a45-9a5e-0f0f9a3c3a12","displayName":"App\\Jobs\\AddPrize","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":5,"maxExceptions":2,"failOnTimeout":true,"backoff":"1,5,10","timeout":30,"retryUntil":1795384421,"data":{"commandName":"App\\Jobs\\AddPrize","command":"O:17:\"App\\Jobs\\AddPrize\":17:{s:7:\"\u0000*\u0000name\";s:15:\"Tasse für Zoë\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:5:\"tries\";i:5;s:7:\"timeout\";i:30;s:13:\"maxExceptions\";i:2;s:13:\"failOnTimeout\";b:1;s:7:\"backoff\";a:3:{i:0;i:1;i:1;i:5;i:2;i:10;}s:3:\"job\";N;s:10:\"connection\";N;s:5:\"queue\";N;s:15:\"chainConnection\";N;s:10:\"chainQueue\";N;s:19:\"chainCatchCallbacks\";N;s:5:\"delay\";N;s:11:\"afterCommit\";N;s:10:\"middleware\";a:0:{}s:7:\"chained\";a:0:{}}"}}`,
			Body{MaxTries: 5, Timeout: 30 * time.Second},
		},
		{ // Laravel 10, batchable, without SerializesModels
			`{"uuid":"9d3ce9c8-4f39-4a45-9a5e-0f0f9a3c3a13","displayName":"App\\Jobs\\AddPrize","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":null,"maxExceptions":null,"failOnTimeout":false,"backoff":null,"timeout":null,"retryUntil":null,"data":{"commandName":"App\\Jobs\\AddPrize","command":"O:17:\"App\\Jobs\\AddPrize\":14:{s:7:\"\u0000*\u0000name\";s:15:\"Tasse für Zoë\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:3:\"job\";N;s:10:\"connection\";N;s:5:\"queue\";N;s:15:\"chainConnection\";N;s:10:\"chainQueue\";N;s:19:\"chainCatchCallbacks\";N;s:5:\"delay\";N;s:11:\"afterCommit\";N;s:10:\"middleware\";a:0:{}s:7:\"chained\";a:0:{}s:7:\"batchId\";N;s:28:\"\u0000App\\Jobs\\AddPrize\u0000fakeBatch\";N;}"}}`,
			Body{},
		},
		{ // Laravel 11, whose SerializesModels omits declared defaults
			`{"uuid":"9d3ce9c8-4f39-4a45-9a5e-0f0f9a3c3a14","displayName":"App\\Jobs\\AddPrize","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":null,"maxExceptions":null,"failOnTimeout":false,"backoff":null,"timeout":null,"retryUntil":null,"data":{"commandName":"App\\Jobs\\AddPrize","command":"O:17:\"App\\Jobs\\AddPrize\":3:{s:7:\"\u0000*\u0000name\";s:15:\"Tasse für Zoë\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:10:\"connection\";s:10:\"beanstalkd\";}"},"illuminate:log:context":{"data":{"trace":"s:1:\"x\";"},"hidden":[]}}`,
			Body{},
		},
		{ // Laravel 12
			`{"uuid":"9d3ce9c8-4f39-4a45-9a5e-0f0f9a3c3a15","displayName":"App\\Jobs\\AddPrize","job":"Illuminate\\Queue\\CallQueuedHandler@call","maxTries":null,"maxExceptions":null,"failOnTimeout":false,"backoff":null,"timeout":null,"retryUntil":null,"data":{"commandName":"App\\Jobs\\AddPrize","command":"O:17:\"App\\Jobs\\AddPrize\":5:{s:7:\"\u0000*\u0000name\";s:15:\"Tasse für Zoë\";s:24:\"\u0000App\\Jobs\\AddPrize\u0000count\";i:3;s:5:\"delay\";i:60;s:12:\"messageGroup\";N;s:12:\"deduplicator\";N;}","batchId":null},"createdAt":1795384421,"delay":60}`,
			Body{},
		},
	}
}

// All versions of Laravel are understood: the same job in different envelopes.
func TestLaravel(t *testing.T) {
	for _, version := range versions() {
		want := version.want
		want.Name, want.Class, want.Arguments = "AddPrize", class, []byte(`{"name":"Tasse für Zoë","count":3}`)
		check(t, version.text, want)
	}
}

// wrap returns the body of a job with a serialized command.
func wrap(command string) string {
	return fmt.Sprintf(`{"job":"Illuminate\\Queue\\CallQueuedHandler@call","data":{"command":%s}}`, quote(command))
}

// quote returns text as a JSON string as PHP writes it.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\x00", `\u0000`, "/", `\/`).Replace(text) + `"`
}

// s returns a serialized string.
func s(text string) string {
	return fmt.Sprintf(`s:%d:"%s";`, len(text), text)
}

// object returns a serialized object; properties are alternating keys and values, each serialized.
func object(class string, properties ...string) string {
	return fmt.Sprintf(`O:%d:"%s":%d:{%s}`, len(class), class, len(properties)/2, strings.Join(properties, ""))
}

func TestArguments(t *testing.T) {
	// The arguments are the application's own properties, converted to JSON.
	for command, want := range map[string]string{
		// No arguments if all properties are null.
		object("A"):               ``,
		object("A", s("a"), `N;`): ``,
		// The order is that of the object; nested nulls are kept.
		object("A", s("a"), `i:1;`, s("b"), `N;`):                     `{"a":1}`,
		object("A", s("b"), `i:1;`, s("a"), `a:2:{i:0;N;s:1:"x";N;}`): `{"b":1,"a":{"0":null,"x":null}}`,
		// Properties of Laravel are recognized by name and type.
		object("A", s("queue"), s("q"), s("delay"), `i:5;`, s("tries"), `i:1;`, s("middleware"), `a:0:{}`, s("afterCommit"), `b:1;`): ``,
		object("A", s("delay"), object("DateTime"), s("job"), object(`Illuminate\Queue\Jobs\BeanstalkdJob`)):                         ``,
		object("A", s("queue"), `a:1:{i:0;i:1;}`, s("delay"), s("long"), s("job"), s("cook")):                                        `{"queue":[1],"delay":"long","job":"cook"}`,
		object("A", s("\x00*\x00queue"), s("q"), s("\x00A\x00tries"), `i:3;`):                                                        `{"queue":"q","tries":3}`,
		// A property of the class itself hides a private one of a parent class.
		object("A", s("\x00B\x00a"), `i:1;`, s("\x00A\x00a"), `i:2;`): `{"a":2}`,
		object("A", s("\x00B\x00a"), `i:1;`, s("c"), `i:2;`):          `{"c":2,"a":1}`,
		// A Fluent is its attributes.
		object("A", s("\x00*\x00attributes"), `a:2:{s:1:"a";i:1;s:1:"b";N;}`):                                           `{"a":1}`,
		object("A", s("\x00*\x00attributes"), `a:1:{s:1:"a";i:1;}`, s("connection"), s("c"), s("delay"), `i:0;`):        `{"a":1}`,
		object("A", s("\x00*\x00attributes"), `a:0:{}`, s("\x00*\x00dispatcher"), `N;`, s("connection"), `a:0:{}`):      `{"connection":[]}`,
		object("A", s("\x00*\x00attributes"), `a:1:{s:5:"queue";i:1;}`, s("\x00*\x00dispatcher"), `N;`, s("x"), `i:2;`): `{"queue":1,"x":2}`,
		object("A", s("\x00*\x00attributes"), `a:1:{s:1:"a";i:1;}`, s("x"), `i:2;`):                                     `{"attributes":{"a":1},"x":2}`,
		object("A", s("attributes"), `a:1:{s:1:"a";i:1;}`):                                                              `{"attributes":{"a":1}}`,
		// So is one inside a property.
		object("A", s("a"), object("Cart", s("\x00*\x00items"), `a:1:{i:0;i:1;}`)):                `{"a":{"items":[1]}}`,
		object("A", s("a"), object("PrizeCollection", s("\x00*\x00items"), `a:1:{i:0;i:1;}`)):     `{"a":[1]}`,
		object("A", s("a"), object(`B\Prize`, s("\x00*\x00attributes"), `a:1:{s:1:"n";s:0:"";}`)): `{"a":{"n":""}}`,
		object("A", s("a"), object("B", s("\x00B\x00p"), `b:0;`, s("\x00*\x00q"), `N;`)):          `{"a":{"p":false,"q":null}}`,
		object("A", s("a"), `E:13:"A\Suit:Hearts";`):                                              `{"a":"Hearts"}`,
		object("A", s("a"), `a:2:{i:1;i:5;i:0;i:6;}`):                                             `{"a":{"1":5,"0":6}}`,
		object("A", s("a"), `d:1;`, s("b"), `d:-1.5E-9;`, s("c"), `i:-9223372036854775808;`):      `{"a":1,"b":-1.5e-9,"c":-9223372036854775808}`,
		object("A", s("a"), `d:1.0E+16;`, s("b"), `d:-9007199254740992;`):                         `{"a":1e+16,"b":-9.007199254740992e+15}`,
		object("A", s("a"), `a:3:{i:0;s:1:"x";i:1;R:3;i:2;R:3;}`, s("b"), `R:2;`):                 `{"a":["x","x","x"],"b":["x","x","x"]}`,
		// A Serializable class.
		`C:1:"A":18:{a:1:{s:1:"a";i:1;}}`: `{"a":1}`,
	} {
		want := Body{Name: "A", Class: "A", Arguments: []byte(want)}
		if len(want.Arguments) == 0 {
			want.Arguments = nil
		}
		check(t, wrap(command), want)
	}
}

func TestLaravelRefuses(t *testing.T) {
	// A job that only PHP could run is refused with a reason.
	for text, want := range map[string]string{
		`{"job":"Illuminate\\Queue\\CallQueuedHandler@call"}`:                      `the job is Laravel's, but its "data" has no "command"`,
		`{"job":"Illuminate\\Queue\\CallQueuedHandler@call","data":{"command":7}}`: `the job is Laravel's, but its "data" has no "command"`,
		`{"job":"Illuminate\\Events\\CallQueuedHandler@call","data":[]}`:           `the job calls a listener, but its "data" is not an object`,
		`{"job":"Illuminate\\Events\\CallQueuedHandler@call","data":{}}`:           "the job calls a listener, but does not name it",
		`{"job":"IlluminateQueueClosure","data":{"closure":"eyJpdiI6"}}`:           "the job is a closure, which is PHP code: dispatch an object of a class instead",

		wrap("eyJpdiI6Im"):     "the job is encrypted with the Laravel application's key: dispatch it without ShouldBeEncrypted, or to a queue of Laravel's own worker",
		wrap("a:1:{i:0;i:1;}"): `the job is Laravel's, but its "command" is not a serialized PHP object`,
		wrap("x"):              `the job is Laravel's, but its "command" is not a serialized PHP object`,
		wrap(`O:1:"A":1:{`):    "the job's PHP object cannot be read: byte 11: the text ends before a value",
		wrap(`C:1:"A":1:{?}`):  "the job's class implements Serializable, so only its PHP code can read the job: use __serialize instead",

		wrap(object(`Illuminate\Mail\SendQueuedMailable`)):                                          "the job is a mail: dispatch it to a queue of Laravel's own worker",
		wrap(object(`Illuminate\Notifications\SendQueuedNotifications`)):                            "the job is a Laravel notification: dispatch it to a queue of Laravel's own worker",
		wrap(object(`Illuminate\Foundation\Console\QueuedCommand`)):                                 "the job is an artisan command: dispatch it to a queue of Laravel's own worker",
		wrap(object(`Illuminate\Bus\ChainedBatch`)):                                                 "the job is a batch: dispatch it to a queue of Laravel's own worker",
		wrap(object(`Illuminate\Broadcasting\BroadcastEvent`)):                                      "the job broadcasts an event, but contains none",
		wrap(object(`Illuminate\Events\CallQueuedListener`)):                                        "the job calls a listener, but does not name it",
		wrap(object(`Illuminate\Events\CallQueuedListener`, s("class"), s("A"), s("data"), s("?"))): "the job's event cannot be read: byte 0: the text ends before a value",
		wrap(object("A", s("chained"), `a:1:{i:0;s:1:"x";}`)):                                       "other jobs are chained to the job, and only Laravel's own worker dispatches them: dispatch them one by one, or the chain to a queue of that worker",
		wrap(object("A", s("batchId"), s("b"))):                                                     "the job belongs to a batch, which only Laravel's own worker tracks: dispatch it by itself, or the batch to a queue of that worker",

		wrap(object("A", s("a"), `d:INF;`)):                                                  "the job's data cannot be converted to JSON: it contains an infinite number or NaN",
		wrap(object("A", s("a"), `d:NAN;`)):                                                  "the job's data cannot be converted to JSON: it contains an infinite number or NaN",
		wrap(object("A", s("a"), `r:1;`)):                                                    "the job's data cannot be converted to JSON: it refers to itself, or is nested more than 64 levels deep",
		wrap(object("A", s("a"), `C:1:"B":1:{?}`)):                                           "the job's data cannot be converted to JSON: it contains an object of a Serializable class, which only its PHP code can read",
		wrap(object("A", s("a"), object(`Laravel\SerializableClosure\SerializableClosure`))): "the job's data cannot be converted to JSON: it contains a closure, which is PHP code",
		wrap(object("A", s("a"), `C:32:"Opis\Closure\SerializableClosure":2:{N;}`)):          "the job's data cannot be converted to JSON: it contains an object of a Serializable class, which only its PHP code can read",
		wrap(object(strings.Repeat("A", 300))):                                               "the job's name is empty or longer than 255 bytes",
		wrap(laughs(30)):                                                                     "the job's data cannot be converted to JSON: it repeats values, and would be longer than 262144 bytes",
	} {
		if b, err := Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("Parse(%s) = %+v, %v, want %q", text, b, err, want)
		}
	}
}

// laughs returns an object with lists, each of which contains the previous one twice ("billion laughs").
func laughs(lists int) string {
	properties := []string{s("0"), s("x")} // value 2; lists are values 3 and on: a reference does not count
	for i := range lists {
		properties = append(properties, s(fmt.Sprint(i+1)), fmt.Sprintf(`a:2:{i:0;R:%d;i:1;R:%[1]d;}`, i+2))
	}
	return object("A", properties...)
}

// A listener is a command; the properties of its event are the arguments.
func TestListener(t *testing.T) {
	event := object(`App\PrizeAdded`, s("prize"), `i:1;`, s("queue"), s("q"), s("socket"), `N;`)
	listener := func(method, data string) string {
		return wrap(object(`Illuminate\Events\CallQueuedListener`, s("class"), s(`App\Tell`), s("method"), s(method), s("data"), data))
	}
	tell := Body{Name: "Tell", Class: `App\Tell`, Arguments: []byte(`{"prize":1,"queue":"q"}`)}
	check(t, listener("handle", `a:1:{i:0;`+event+`}`), tell)
	check(t, listener("__invoke", s(`a:1:{i:0;`+event+`}`)), tell)
	check(t, `{"job":"Illuminate\\Events\\CallQueuedHandler@call","data":{"class":"App\\Tell","method":"handle","data":"a:1:{i:0;O:21:\"App\\Events\\PrizeAdded\":3:{s:5:\"prize\";i:1;s:5:\"queue\";s:1:\"q\";s:6:\"socket\";N;}}"}}`, tell)

	tell.Arguments = nil
	check(t, listener("handle", `a:0:{}`), tell)
	check(t, listener("handle", `N;`), tell)
	tell.Arguments = []byte(`[1]`)
	check(t, listener("handle", `a:1:{i:0;i:1;}`), tell)
	on := Body{Name: "Tell@onPrize", Class: `App\Tell@onPrize`, Arguments: []byte(`["prize.added",[1]]`)}
	check(t, listener("onPrize", `a:2:{i:0;s:11:"prize.added";i:1;a:1:{i:0;i:1;}}`), on)

	// An event that is broadcast is itself a command.
	check(t, wrap(object(`Illuminate\Broadcasting\BroadcastEvent`, s("event"), event, s("queue"), `N;`)),
		Body{Name: "PrizeAdded", Class: `App\PrizeAdded`, Arguments: []byte(`{"prize":1}`)})
}

// Shared lists are written out as long as the result is short.
func TestShared(t *testing.T) {
	check(t, wrap(laughs(2)), Body{Name: "A", Class: "A", Arguments: []byte(`{"0":"x","1":["x","x"],"2":[["x","x"],["x","x"]]}`)})
}

// No error contains text of the job, since errors are logged.
func TestErrorsShowNothing(t *testing.T) {
	const secret = "hunter2"
	whole := wrap(object("A", s(secret), s(secret), s("\x00hunter2\x00a"), object(secret), s("list"), `a:1:{s:7:"hunter2";d:1;}`))
	check(t, whole, Body{Name: "A", Class: "A", Arguments: []byte(`{"hunter2":"hunter2","list":{"hunter2":1},"a":{}}`)})
	for i := range whole {
		for _, change := range []string{"", "\xff", `"`, "{", "x", "9"} {
			text := whole[:i] + change + whole[i+1:]
			if _, err := Parse([]byte(text)); err != nil && strings.Contains(err.Error(), secret) {
				t.Fatalf("Parse(%q) = %v, which shows text of the job", text, err)
			}
		}
	}
}
