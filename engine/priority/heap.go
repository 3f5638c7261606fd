// Package priority has heaps whose items know their place, so that any of them can be moved or removed. It must not know what the items
// are.
package priority

import "container/heap"

// Item is an item of a Heap.
type Item[T any] interface {
	// Before reports whether the item is to be taken before another.
	Before(other T) bool
	// Place returns where the item keeps its index in the heap. The heap sets it: to -1 when the item is removed.
	Place() *int
}

// Heap has the item that is to be taken next at index 0; the others are in no particular order. The zero Heap is empty. Only its methods
// may change it.
type Heap[T Item[T]] []T

// Push adds an item, which no heap may have.
func (h *Heap[T]) Push(item T) { heap.Push((*items[T])(h), item) }

// Pop removes the item that is to be taken next and returns it. The heap must not be empty.
func (h *Heap[T]) Pop() T { return heap.Pop((*items[T])(h)).(T) }

// Fix moves an item of the heap to where it belongs, since the order has changed.
func (h *Heap[T]) Fix(item T) { heap.Fix((*items[T])(h), *item.Place()) }

// Remove removes an item of the heap.
func (h *Heap[T]) Remove(item T) { heap.Remove((*items[T])(h), *item.Place()) }

// items is a Heap as package heap wants it.
type items[T Item[T]] []T

func (list items[T]) Len() int           { return len(list) }
func (list items[T]) Less(i, j int) bool { return list[i].Before(list[j]) }

func (list items[T]) Swap(i, j int) {
	list[i], list[j] = list[j], list[i]
	*list[i].Place(), *list[j].Place() = i, j
}

// Push adds an item at the end.
func (list *items[T]) Push(added any) {
	item := added.(T)
	*item.Place() = len(*list)
	*list = append(*list, item)
}

// Pop removes the item at the end.
func (list *items[T]) Pop() any {
	last := len(*list) - 1
	removed := (*list)[last]
	clear((*list)[last:]) // so that the memory can be freed
	*list = (*list)[:last]
	*removed.Place() = -1
	return removed
}
