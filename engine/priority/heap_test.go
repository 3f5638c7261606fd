package priority

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type item struct{ value, place int }

func (i *item) Before(other *item) bool { return i.value < other.value }
func (i *item) Place() *int             { return &i.place }

// After any sequence of changes, every item knows its place, the smallest is the first, and nothing is lost.
func TestHeap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test repeats its numbers
	var h Heap[*item]
	var want []*item
	for step := range 5000 {
		switch n := random.IntN(4); {
		case n < 2 || len(want) == 0:
			added := &item{value: random.IntN(100), place: -1}
			h.Push(added)
			want = append(want, added)
		case n == 2:
			moved := want[random.IntN(len(want))]
			moved.value = random.IntN(100)
			h.Fix(moved)
		default:
			i := random.IntN(len(want))
			removed := want[i]
			h.Remove(removed)
			want = slices.Delete(want, i, i+1)
			if removed.place != -1 {
				t.Fatalf("step %d: a removed item has the place %d, want -1", step, removed.place)
			}
		}
		for i, each := range h {
			if each.place != i || each.Before(h[0]) || !slices.Contains(want, each) {
				t.Fatalf("step %d: %+v at %d, the first is %+v", step, *each, i, *h[0])
			}
		}
		if len(h) != len(want) {
			t.Fatalf("step %d: %d items, want %d", step, len(h), len(want))
		}
	}
	for last := 0; len(h) > 0; {
		next := h.Pop()
		if next.value < last {
			t.Fatalf("Pop() = %d after %d, want them in order", next.value, last)
		}
		last = next.value
	}
}
