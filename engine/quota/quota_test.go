package quota

import "testing"

// An owner may take a free place if it holds no more than it leaves. Each kind counts by itself, and the server itself may take any.
func TestMayTake(t *testing.T) {
	o := NewOwner(nil)
	o.Add(Requests, 3)
	var server *Owner
	server.Add(Requests, 3)
	for _, row := range []struct {
		o    *Owner
		kind Kind
		free int
		want bool
	}{
		{o, Requests, 2, false},
		{o, Requests, 3, true},
		{o, Processes, 1, true},
		{o, Processes, 0, false},
		{server, Requests, 1, true},
		{server, Requests, 0, false},
	} {
		if got := row.o.MayTake(row.kind, row.free); got != row.want {
			t.Errorf("MayTake(%d, %d) with %d held = %t, want %t", row.kind, row.free, row.o.Held(row.kind), got, row.want)
		}
	}
}

// What an owner holds, takes and gives back after it has left counts for those that follow it, and for itself only once.
func TestLeftover(t *testing.T) {
	var left Leftover
	earlier, last, before := NewOwner(nil), NewOwner(nil), NewOwner(nil)
	last.Follow(&left)
	expect := func(when string, o *Owner, want int) {
		t.Helper()
		if !o.MayTake(Waiting, max(want, 1)) || want > 1 && o.MayTake(Waiting, want-1) {
			t.Errorf("%s, an owner counts %d places, want %d", when, o.share(Waiting), want)
		}
	}
	earlier.Add(Waiting, 5)
	last.Add(Waiting, 2)
	before.Add(Waiting, 4)
	expect("while both hold places", last, 2)
	earlier.Leave(&left)
	expect("after one has left", last, 7)
	expect("after one has left", before, 4)
	earlier.Add(Waiting, 1)
	expect("after it has taken one more", last, 8)
	last.Leave(&left)
	last.Add(Waiting, 1)
	expect("after both have left", last, 9)
	for o, n := range map[*Owner]int{earlier: 6, last: 3} {
		if left.IsEmpty() {
			t.Errorf("nothing is left behind, want the %d places of an owner", n)
		}
		o.Add(Waiting, -n)
	}
	if !left.IsEmpty() {
		t.Error("something is left behind after all was given back, want nothing")
	}
}
