// Package presence says which users are present in a topic: those with a connection that subscribes to it. It must not know
// topics, nor how their subscribers are told.
package presence

import (
	"slices"
	"strings"
)

// Presence has the users who are present in a topic, and those who came or left since its changes were taken last.
type Presence struct {
	users  []user          // sorted by name
	before map[string]bool // users that came or left since TakeChanges: whether they were present then
}

// user is a user with the number of its connections.
type user struct {
	name        string
	connections int
}

// New returns a presence without users.
func New() *Presence { return &Presence{before: map[string]bool{}} }

// Count adds n connections of a user, "" for connections without one. A user is present with the first, and gone with the last.
// Count reports whether the user has come or gone.
func (p *Presence) Count(name string, n int) (changed bool) {
	if name == "" {
		return false
	}
	i, present := p.find(name)
	if present {
		p.users[i].connections += n
		if p.users[i].connections > 0 {
			return false
		}
		p.users = slices.Delete(p.users, i, i+1)
	} else {
		p.users = slices.Insert(p.users, i, user{name, n})
	}
	if _, noted := p.before[name]; !noted {
		p.before[name] = present
	}
	return true
}

// TakeChanges returns who has come and left since it was called last, both sorted. Who came and left is in neither.
func (p *Presence) TakeChanges() (joined, left []string) {
	for name, before := range p.before {
		_, present := p.find(name)
		if present && !before {
			joined = append(joined, name)
		} else if before && !present {
			left = append(left, name)
		}
	}
	clear(p.before)
	slices.Sort(joined)
	slices.Sort(left)
	return joined, left
}

// Users returns the users who are present, sorted. The slice is the caller's.
func (p *Presence) Users() []string {
	names := make([]string, len(p.users))
	for i, u := range p.users {
		names[i] = u.name
	}
	return names
}

// find returns the index of a user who is present, or that at which it would be inserted.
func (p *Presence) find(name string) (i int, present bool) {
	return slices.BinarySearchFunc(p.users, name, func(u user, name string) int { return strings.Compare(u.name, name) })
}
