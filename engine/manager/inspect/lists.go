package inspect

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"perigee/engine/loop"
	"perigee/engine/manager/hub"
)

// Query selects a part of a list.
type Query struct {
	// Search is a text that an entry contains, in upper or lower case. "" is in all.
	Search string
	// User selects the connections of a user. Optional.
	User string
	// After is Next of the page before; "" for the first page.
	After string
	// Limit is the length of a page.
	Limit int
}

// matches reports whether one of some texts contains the text that is searched for.
func (q Query) matches(texts ...string) bool {
	if q.Search == "" {
		return true
	}
	search := strings.ToLower(q.Search)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), search) })
}

// List is a part of a list.
type List[T any] struct {
	Items []T `json:"items"`
	// Next is the value of after for the next page; "" on the last one.
	Next string `json:"next,omitempty"`
	// Total is how many there are, whatever is searched for.
	Total int `json:"total"`
}

// Connections lists the open connections in the order of opening. The search is for UUID, name, email, user, type and address.
func (i *Inspector) Connections(ctx context.Context, q Query) (List[Connection], error) {
	after, _ := strconv.ParseUint(q.After, 10, 64) // the first page, if it is no number
	type page struct {
		items []Connection
		more  bool
	}
	var p page
	total, err := loop.Ask(ctx, i.loop, turnName, func() int { return len(i.hub.All()) })
	if err != nil {
		return List[Connection]{}, err
	}
	err = i.visit(ctx, after+1, func(c *hub.Connection) bool {
		if q.User != "" && c.User() != q.User ||
			!q.matches(c.UUID(), c.Name(), c.Email(), c.User(), c.Type(), c.IPAddress().String()) {
			return true
		}
		if p.more = len(p.items) == q.Limit; !p.more {
			p.items = append(p.items, read(c))
		}
		return !p.more
	})
	if err != nil {
		return List[Connection]{}, err
	}
	list := List[Connection]{Items: append([]Connection{}, p.items...), Total: total}
	if p.more {
		list.Next = strconv.FormatUint(p.items[len(p.items)-1].number, 10)
	}
	return list, nil
}

// User is a user who has open connections.
type User struct {
	User        string `json:"user"`
	Connections int    `json:"connections"`
	Away        int    `json:"away"` // of these
}

// Users lists the users who have open connections, sorted.
func (i *Inspector) Users(ctx context.Context, q Query) (List[User], error) {
	users := map[string]*User{}
	err := i.visit(ctx, 0, func(c *hub.Connection) bool {
		if name := c.User(); name != "" {
			u := users[name]
			if u == nil {
				u = &User{User: name}
				users[name] = u
			}
			u.Connections++
			if !c.Connected() {
				u.Away++
			}
		}
		return true
	})
	if err != nil {
		return List[User]{}, err
	}
	all := slices.SortedFunc(maps.Values(users), func(a, b *User) int { return cmp.Compare(a.User, b.User) })
	list := List[User]{Items: []User{}, Total: len(all)}
	for _, u := range all {
		if u.User > q.After && q.matches(u.User) {
			if len(list.Items) == q.Limit {
				list.Next = list.Items[len(list.Items)-1].User
				break
			}
			list.Items = append(list.Items, *u)
		}
	}
	return list, nil
}

// Topic is a topic in a list.
type Topic struct {
	Name        string `json:"name"`
	UUID        string `json:"uuid"`
	Protection  string `json:"protection"`
	Owner       string `json:"owner,omitempty"` // UUID of the connection that it belongs to
	Listed      bool   `json:"listed"`
	Subscribers int    `json:"subscribers"`
	History     int    `json:"history"` // messages that it keeps at most
	Presence    bool   `json:"presence"`
}

func readTopic(t *hub.Topic) Topic {
	return Topic{
		Name: t.Name(), UUID: t.UUID(), Protection: t.Access().Protection.String(), Owner: t.Access().Owner, Listed: t.Listed(),
		Subscribers: t.Count(), History: t.HistoryLimit(), Presence: t.HasPresence(),
	}
}

// Topics lists the topics by name. One turn reads the names of all, another one those of the page.
func (i *Inspector) Topics(ctx context.Context, q Query) (List[Topic], error) {
	names, err := loop.Ask(ctx, i.loop, turnName, func() []string {
		var names []string
		for t := range i.hub.EachTopic() {
			names = append(names, t.Name())
		}
		return names
	})
	if err != nil {
		return List[Topic]{}, err
	}
	list := List[Topic]{Items: []Topic{}, Total: len(names)}
	names = slices.DeleteFunc(names, func(name string) bool { return name <= q.After || !q.matches(name) })
	slices.Sort(names)
	if len(names) > q.Limit {
		names = names[:q.Limit]
		list.Next = names[q.Limit-1]
	}
	items, err := loop.Ask(ctx, i.loop, turnName, func() []Topic {
		var items []Topic
		for _, name := range names {
			if t := i.hub.FindTopic(name); t != nil {
				items = append(items, readTopic(t))
			}
		}
		return items
	})
	list.Items = append(list.Items, items...)
	return list, err
}

// TopicDetail is all about one topic.
type TopicDetail struct {
	Topic
	Connections []string `json:"connections"` // UUIDs of the first 500 subscribers
	Users       []string `json:"users"`       // the first 500 who are present, if the topic has presence
}

// Topic returns the topic with a name or a UUID; found is false if there is none.
func (i *Inspector) Topic(ctx context.Context, nameOrUUID string) (d TopicDetail, found bool, err error) {
	shown, err := loop.Ask(ctx, i.loop, turnName, func() *TopicDetail {
		t := i.hub.FindTopic(nameOrUUID)
		if t == nil {
			return nil
		}
		d := &TopicDetail{Topic: readTopic(t), Connections: []string{}, Users: []string{}}
		for _, c := range t.Subscribers(maxListed) {
			d.Connections = append(d.Connections, c.UUID())
		}
		if t.HasPresence() {
			users := t.Presence()
			d.Users = append(d.Users, users[:min(len(users), maxListed)]...)
		}
		return d
	})
	if err != nil || shown == nil {
		return d, false, err
	}
	return *shown, true, nil
}
