package presence

import (
	"fmt"
	"testing"
)

// A presence tells who came and left between two calls of TakeChanges, also to a subscriber that was shown the list in between. One
// that begins with what another has told tells the difference.
func TestPresence(t *testing.T) {
	p := New()
	check := func(why string, next *Presence, joined, left, told string) {
		t.Helper()
		all, some := next.Told()
		j, l := next.TakeChanges()
		if got := fmt.Sprint(all, some); fmt.Sprint(j) != joined || fmt.Sprint(l) != left || got != told {
			t.Errorf("%s: %v joined and %v left, told were %s, want %s, %s and %s", why, j, l, got, joined, left, told)
		}
		if all, some = next.Told(); fmt.Sprint(all, some) != fmt.Sprint(next.Users(), []string{}) {
			t.Errorf("%s: after TakeChanges told are %v and %v, want all of %v", why, all, some, next.Users())
		}
	}
	p.Count("bob", 1)
	p.Count("ann", 1)
	p.Count("ann", 1)
	check("two came", p, "[ann bob]", "[]", "[] []")
	p.Count("ann", -1)
	p.Count("bob", -1)
	p.Count("cy", 1)
	p.Count("di", 1)
	p.Count("di", -1)
	p.Count("", 1)
	check("one left, one came, one did both", p, "[cy]", "[bob]", "[ann bob] []")
	p.Count("di", 1)
	p.Count("cy", -1)
	if got := fmt.Sprint(p.Show()); got != "[ann di]" {
		t.Errorf("Show = %s, want ann and di", got)
	}
	p.Count("di", -1)
	p.Count("cy", 1)
	all, some := p.Told()
	check("two did both, shown in between", p, "[cy]", "[di]", "[ann] [cy di]")
	next := New()
	next.Restore(all, some)
	next.Count("cy", 1)
	next.Count("eve", 1)
	check("after a restart", next, "[cy eve]", "[ann di]", "[ann] [cy di]")
}
