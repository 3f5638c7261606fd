package failures

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"perigee/engine/logging"
)

// What fails again at the same place is counted, keeps the time of the first, and is found by each of its references.
func TestAgain(t *testing.T) {
	var l Log
	start := time.Unix(1_795_384_421, 0)
	l.Add("a", Failure{Ref: "0001", Last: start, Error: "first"}, []byte(`{"n":1}`))
	l.Add("b", Failure{Ref: "0002", Last: start.Add(time.Second)}, nil)
	l.Count("a", start.Add(2*time.Second))
	l.Count("nobody", start)
	l.Add("a", Failure{Ref: "0003", Last: start.Add(3 * time.Second), Error: "third"}, []byte(`{"n":3}`))
	all := l.List()
	if len(all) != 2 || all[0].Ref != "0003" || all[0].Count != 3 || !all[0].First.Equal(start) || all[0].Error != "third" ||
		string(all[0].Input) != `{"n":3}` || all[1].Ref != "0002" || all[1].Count != 1 {
		t.Errorf("List() = %+v, want the third of a with a count of 3, then b", all)
	}
	for _, ref := range []string{"0001", "0003"} {
		if f, found := l.Find(ref); !found || f.Ref != "0003" {
			t.Errorf("Find(%s) = %+v, %t, want the third", ref, f, found)
		}
	}
	if f, found := l.Find("0009"); found {
		t.Errorf("Find of an unknown reference = %+v, want nothing", f)
	}
}

// However much fails, and however long its texts are, little is kept: the latest.
func TestBounds(t *testing.T) {
	var l Log
	long := strings.Repeat("x", 1<<20)
	for i := range 3 * maxFailures {
		for range 2 * maxRefs {
			l.Add(fmt.Sprint(i), Failure{Error: long, Traceback: long}, []byte(long))
		}
	}
	all := l.List()
	if len(all) != maxFailures || all[0].Count != 2*maxRefs {
		t.Fatalf("%d failures are kept, the first of them %d times, want %d and %d", len(all), all[0].Count, maxFailures, 2*maxRefs)
	}
	for _, f := range all {
		if n := len(f.Error) + len(f.Traceback) + cap(f.Input); n > 3*logging.MaxValue+100 || f.InputSize != len(long) || len(f.Ref) != 4 {
			t.Fatalf("a failure takes %d bytes, has an input of %d and the reference %q, want at most 12 KiB of 1 MiB, and 4 digits", n, f.InputSize, f.Ref)
		}
	}
	if n := len(l.kept[0].refs); n != maxRefs {
		t.Errorf("a failure has %d references, want %d", n, maxRefs)
	}
}

// A nil Log keeps nothing.
func TestNil(t *testing.T) {
	var l *Log
	l.Add("a", Failure{}, nil)
	l.Count("a", time.Time{})
	if _, found := l.Find(""); found || l.List() != nil {
		t.Error("a nil Log has a failure, want none")
	}
}

// The lines around a place are those before and after it, clipped.
func TestAround(t *testing.T) {
	text := "one\r\ntwo\nthree\nfour\nfive\n" + strings.Repeat("é", 300) + "\nseven"
	for _, row := range []struct {
		line int
		want string
	}{
		{1, "1 one|2 two|3 three|4 four"},
		{4, "1 one|2 two|3 three|4 four|5 five|6 " + strings.Repeat("é", 100) + "... (200 more bytes)|7 seven"},
		{7, "4 four|5 five|6 " + strings.Repeat("é", 100) + "... (200 more bytes)|7 seven"},
		{8, ""},
		{0, ""},
	} {
		var got []string
		for _, line := range Around([]byte(text), row.line) {
			got = append(got, fmt.Sprint(line.Number, " ", line.Text))
		}
		if strings.Join(got, "|") != row.want {
			t.Errorf("Around(%d) = %q, want %s", row.line, got, row.want)
		}
	}
	for place, want := range map[string]string{"scripts/a.lua:12": "scripts/a.lua 12", "C:/a.lua": "C:/a.lua 0", "": " 0", "a:0": "a:0 0"} {
		file, line := SplitPlace(place)
		if got := fmt.Sprint(file, " ", line); got != want {
			t.Errorf("SplitPlace(%q) = %s, want %s", place, got, want)
		}
	}
}
