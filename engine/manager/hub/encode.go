package hub

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"perigee/engine/script/bind"
	"perigee/engine/wire"
)

// errCyclic is returned if the attributes of a connection contain the connection itself.
var errCyclic = errors.New("the fields of a client contain the client itself")

// errTooLarge is returned if the JSON of a connection is larger than bind.MaxRow.
var errTooLarge = fmt.Errorf("a client has more than %d KiB of fields as JSON", bind.MaxRow>>10)

// AppendJSON appends the connection as an object: its attributes in the order of setting, then the server's own fields by
// name. Empty ones of these are left out.
func (c *Connection) AppendJSON(dst []byte) ([]byte, error) {
	if c.encoding {
		return nil, errCyclic
	}
	c.encoding = true
	defer func() { c.encoding = false }()
	start := len(dst)
	dst = append(dst, '{')
	var err error
	for _, a := range c.attributes {
		dst = append(wire.AppendString(dst, a.name), ':')
		if dst, err = a.value.AppendJSON(dst); err != nil {
			return nil, err
		}
		if len(dst)-start > bind.MaxRow {
			return nil, errTooLarge
		}
		dst = append(dst, ',')
	}
	dst = strconv.AppendBool(append(dst, `"admin":`...), c.admin)
	if c.email != "" {
		dst = wire.AppendString(append(dst, `,"email":`...), c.email)
	}
	dst = wire.AppendString(append(dst, `,"ip_address":`...), c.IPAddress().String())
	if c.name != "" {
		dst = wire.AppendString(append(dst, `,"name":`...), c.name)
	}
	if dst, err = notifications(c.notifications).AppendJSON(append(dst, `,"notifications":`...)); err != nil {
		return nil, err
	}
	dst = strconv.AppendUint(append(dst, `,"resource_id":`...), c.resourceID, 10)
	if roles := c.Roles(); len(roles) > 0 {
		dst = appendStrings(append(dst, `,"roles":`...), roles)
	}
	if dst, err = listedOf(c.subscriptions).AppendJSON(append(dst, `,"subscriptions":`...)); err != nil {
		return nil, err
	}
	dst = strconv.AppendInt(append(dst, `,"timestamp":`...), c.Timestamp().Unix(), 10)
	dst = wire.AppendString(append(dst, `,"type":`...), c.kind)
	if user := c.User(); user != "" {
		dst = wire.AppendString(append(dst, `,"user":`...), user)
	}
	dst = wire.AppendString(append(dst, `,"uuid":`...), c.uuid)
	if len(dst)-start > bind.MaxRow {
		return nil, errTooLarge
	}
	return append(dst, '}'), nil
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, text := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, text)
	}
	return append(dst, ']')
}

// notifications encodes as an object keyed by the sender.
type notifications []notification

func (list notifications) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, '{')
	for i, n := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, n.sender)
		dst = wire.AppendString(append(dst, `:{"sender":`...), n.sender)
		dst = strconv.AppendInt(append(dst, `,"timestamp":`...), n.at.Unix(), 10)
		dst = wire.AppendString(append(dst, `,"uuid":`...), n.uuid)
		dst = append(dst, '}')
	}
	return append(dst, '}'), nil
}

// AppendJSON appends the topic as clients see it.
func (t *Topic) AppendJSON(dst []byte) ([]byte, error) {
	dst = wire.AppendString(append(dst, `{"name":`...), t.name)
	dst = strconv.AppendInt(append(dst, `,"subscribers":`...), int64(len(t.subscribers)), 10)
	dst = wire.AppendString(append(dst, `,"uuid":`...), t.uuid)
	return append(dst, '}'), nil
}

// listedOf returns the listed ones of some topics: others do not hear of a topic that is not listed.
func listedOf(topics []*Topic) topicObject {
	if !slices.ContainsFunc(topics, func(t *Topic) bool { return !t.listed }) {
		return topics
	}
	var listed topicObject
	for _, t := range topics {
		if t.listed {
			listed = append(listed, t)
		}
	}
	return listed
}

// topicObject encodes as an object keyed by the topics' UUIDs.
type topicObject []*Topic

func (list topicObject) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, '{')
	for i, t := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, t.uuid), ':')
		dst, _ = t.AppendJSON(dst) // it never fails
	}
	return append(dst, '}'), nil
}

// texts encodes as a list.
type texts []string

func (list texts) AppendJSON(dst []byte) ([]byte, error) { return appendStrings(dst, list), nil }

// rosterFields encodes the connections as others see them, keyed by UUID.
type rosterFields []*Connection

func (list rosterFields) AppendMembers(dst []byte) ([]byte, error) {
	dst = append(dst, `"connections":{`...)
	first := true
	for _, c := range list {
		if len(c.entry) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, '"'), c.uuid...)
		dst = append(append(dst, `":`...), c.entry...)
	}
	return append(dst, '}'), nil
}
