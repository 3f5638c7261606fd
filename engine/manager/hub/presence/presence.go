// Package presence says which users are present in a topic: those with a connection that subscribes to it. It must not know
// topics, nor how their subscribers are told.
package presence

import (
	"slices"
	"strings"
)

// Presence has the users who are present in a topic, and what subscribers have been told of those who came or left.
type Presence struct {
	users []user          // sorted by name
	told  map[string]told // of the users that came or left since TakeChanges
}

// user is a user with the number of its connections.
type user struct {
	name        string
	connections int
}

// told is what subscribers have been told of a user: some may have been told that it is present, others that it is not.
type told uint8

const (
	toldPresent told = 1 << iota
	toldAbsent
)

func toldOf(present bool) told {
	if present {
		return toldPresent
	}
	return toldAbsent
}

// New returns a presence without users.
func New() *Presence { return &Presence{told: map[string]told{}} }

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
	if p.told[name] == 0 {
		p.told[name] = toldOf(present)
	}
	return true
}

// TakeChanges returns who has joined and left since it was called last, both sorted, for all subscribers. A user that did both is in
// neither, unless a subscriber has been told the list of Show in between.
func (p *Presence) TakeChanges() (joined, left []string) {
	for name, told := range p.told {
		switch _, present := p.find(name); {
		case present && told&toldAbsent != 0:
			joined = append(joined, name)
		case !present && told&toldPresent != 0:
			left = append(left, name)
		}
	}
	clear(p.told)
	slices.Sort(joined)
	slices.Sort(left)
	return joined, left
}

// Show returns Users, and notes that a subscriber is told the list before the changes.
func (p *Presence) Show() []string {
	for name, told := range p.told {
		_, present := p.find(name)
		p.told[name] = told | toldOf(present)
	}
	return p.Users()
}

// Users returns the users who are present, sorted. The slice is the caller's.
func (p *Presence) Users() []string {
	names := make([]string, len(p.users))
	for i, u := range p.users {
		names[i] = u.name
	}
	return names
}

// Told returns, for Restore, the users of whom all subscribers have been told that they are present, and those of whom only some have.
func (p *Presence) Told() (all, some []string) {
	all = []string{}
	for _, u := range p.users {
		if p.told[u.name] == 0 {
			all = append(all, u.name)
		}
	}
	for name, told := range p.told {
		switch told {
		case toldPresent:
			all = append(all, name)
		case toldPresent | toldAbsent:
			some = append(some, name)
		}
	}
	slices.Sort(all)
	slices.Sort(some)
	return all, some
}

// Restore takes over what another presence had told its subscribers, before any user is counted.
func (p *Presence) Restore(all, some []string) {
	for _, name := range all {
		p.told[name] = toldPresent
	}
	for _, name := range some {
		p.told[name] = toldPresent | toldAbsent
	}
}

// find returns the index of a user who is present, or that at which it would be inserted.
func (p *Presence) find(name string) (i int, present bool) {
	return slices.BinarySearchFunc(p.users, name, func(u user, name string) int { return strings.Compare(u.name, name) })
}
