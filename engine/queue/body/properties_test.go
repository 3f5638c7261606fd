package body

import (
	"slices"
	"strings"
	"testing"
)

// A property is Laravel's if it has the name, the type and the owner of Laravel's; any other with that name is an argument.
func TestIsLaravelProperty(t *testing.T) {
	const null, boolean, integer, float, text, list, object, enum = phpNull, phpBool, phpInt, phpFloat, phpString, phpArray, phpObject, phpEnum
	all := []phpKind{null, boolean, integer, float, text, list, object, enum}
	for names, kinds := range map[string][]phpKind{
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
				if got, want := isLaravelProperty(phpEntry{Key: name, Value: &phpValue{Kind: kind}}), slices.Contains(kinds, kind); got != want {
					t.Errorf("isLaravelProperty(public %s of kind %v) = %t, want %t", name, kind, got, want)
				}
				protected := phpEntry{Key: name, Owner: phpProtected, Value: &phpValue{Kind: kind}}
				if got, want := isLaravelProperty(protected), name == "job" && kind == null; got != want {
					t.Errorf("isLaravelProperty(protected %s of kind %v) = %t, want %t", name, kind, got, want)
				}
			}
		}
	}
	for class, want := range map[string]bool{`Illuminate\Queue\Jobs\BeanstalkdJob`: true, `App\Jobs\Job`: false} {
		if got := isLaravelProperty(phpEntry{Key: "job", Owner: phpProtected, Value: &phpValue{Kind: object, Class: class}}); got != want {
			t.Errorf("isLaravelProperty(job of class %s) = %t, want %t", class, got, want)
		}
	}
}

// In an event that is broadcast, or that a listener handles, the properties of the broadcast are Laravel's, too.
func TestIsBroadcastProperty(t *testing.T) {
	for _, row := range []struct {
		key, owner string
		kind       phpKind
		want       bool
	}{
		{"broadcastQueue", "", phpNull, true},
		{"broadcastQueue", "", phpString, true},
		{"broadcastQueue", "", phpArray, false},
		{"broadcastQueue", phpProtected, phpNull, false},
		{"broadcastConnection", phpProtected, phpArray, true},
		{"broadcastConnection", "", phpArray, false},
		{"socket", "", phpNull, true},
		{"socket", "", phpString, true},
		{"socket", "", phpInt, false},
		{"socket", phpProtected, phpString, false},
		{"queue", "", phpString, true},
		{"prize", "", phpString, false},
	} {
		if got := isBroadcastProperty(phpEntry{Key: row.key, Owner: row.owner, Value: &phpValue{Kind: row.kind}}); got != row.want {
			t.Errorf("isBroadcastProperty(%q %s of kind %v) = %t, want %t", row.owner, row.key, row.kind, got, row.want)
		}
	}
}

// A body or a name of the maximum length is accepted, a longer one is not.
func TestBounds(t *testing.T) {
	const frame = `{"job":"A","other":""}`
	for length, want := range map[int]bool{Limit: true, Limit + 1: false} {
		text := strings.Replace(frame, `""`, `"`+strings.Repeat("x", length-len(frame))+`"`, 1)
		if _, err := Parse([]byte(text)); (err == nil) != want {
			t.Errorf("Parse of %d bytes = %v, want it accepted: %t", length, err, want)
		}
	}
	for length, want := range map[int]bool{maxName: true, maxName + 1: false} {
		if _, err := Parse([]byte(`{"job":"` + strings.Repeat("x", length) + `"}`)); (err == nil) != want {
			t.Errorf("Parse of a name of %d bytes = %v, want it accepted: %t", length, err, want)
		}
	}
}
