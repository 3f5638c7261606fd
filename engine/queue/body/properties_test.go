package body

import (
	"slices"
	"strings"
	"testing"

	"perigee/engine/queue/php"
)

// A property is Laravel's where it has the name, the type and the owner that it has there; an application's own of that name goes
// to the command.
func TestLaravels(t *testing.T) {
	const null, boolean, integer, float, text, list, object, enum = php.Null, php.Bool, php.Int, php.Float, php.String, php.Array, php.Object, php.Enum
	all := []php.Kind{null, boolean, integer, float, text, list, object, enum}
	for names, kinds := range map[string][]php.Kind{
		"connection queue chainConnection chainQueue batchId messageGroup uniqueId": {null, text, integer, enum},
		"delay retryUntil timeoutAt uniqueFor":                                      {null, integer, float, object},
		"tries timeout retryAfter maxExceptions":                                    {null, integer},
		"backoff":                                                                   {null, integer, list, text},
		"middleware chained chainCatchCallbacks deduplicator":                       {null, list, object},
		"afterCommit failOnTimeout deleteWhenMissingModels shouldBeEncrypted":       {null, boolean},
		"job":   {null},
		"prize": {},
	} {
		for name := range strings.FieldsSeq(names) {
			for _, kind := range all {
				if got, want := laravels(php.Entry{Key: name, Value: &php.Value{Kind: kind}}), slices.Contains(kinds, kind); got != want {
					t.Errorf("laravels(public %s of kind %v) = %t, want %t", name, kind, got, want)
				}
				protected := php.Entry{Key: name, Owner: php.Protected, Value: &php.Value{Kind: kind}}
				if got, want := laravels(protected), name == "job" && kind == null; got != want {
					t.Errorf("laravels(protected %s of kind %v) = %t, want %t", name, kind, got, want)
				}
			}
		}
	}
	for class, want := range map[string]bool{`Illuminate\Queue\Jobs\BeanstalkdJob`: true, `App\Jobs\Job`: false} {
		if got := laravels(php.Entry{Key: "job", Owner: php.Protected, Value: &php.Value{Kind: object, Class: class}}); got != want {
			t.Errorf("laravels(job of class %s) = %t, want %t", class, got, want)
		}
	}
}

// Of an event that is broadcast, or that a listener hears, the properties that say where to are Laravel's too.
func TestBroadcasts(t *testing.T) {
	for _, row := range []struct {
		key, owner string
		kind       php.Kind
		want       bool
	}{
		{"broadcastQueue", "", php.Null, true},
		{"broadcastQueue", "", php.String, true},
		{"broadcastQueue", "", php.Array, false},
		{"broadcastQueue", php.Protected, php.Null, false},
		{"broadcastConnection", php.Protected, php.Array, true},
		{"broadcastConnection", "", php.Array, false},
		{"socket", "", php.Null, true},
		{"socket", "", php.String, true},
		{"socket", "", php.Int, false},
		{"socket", php.Protected, php.String, false},
		{"queue", "", php.String, true},
		{"prize", "", php.String, false},
	} {
		if got := broadcasts(php.Entry{Key: row.key, Owner: row.owner, Value: &php.Value{Kind: row.kind}}); got != row.want {
			t.Errorf("broadcasts(%q %s of kind %v) = %t, want %t", row.owner, row.key, row.kind, got, row.want)
		}
	}
}

// Bounds are what they say: what is as long as they allow is read.
func TestBounds(t *testing.T) {
	const frame = `{"job":"A","data":""}`
	for length, want := range map[int]bool{Limit: true, Limit + 1: false} {
		text := strings.Replace(frame, `""`, `"`+strings.Repeat("x", length-len(frame))+`"`, 1)
		if _, err := Parse([]byte(text)); (err == nil) != want {
			t.Errorf("Parse of %d bytes = %v, want it read: %t", length, err, want)
		}
	}
	for length, want := range map[int]bool{maxName: true, maxName + 1: false} {
		if _, err := Parse([]byte(`{"job":"` + strings.Repeat("x", length) + `"}`)); (err == nil) != want {
			t.Errorf("Parse of a name of %d bytes = %v, want it read: %t", length, err, want)
		}
	}
}
