package hub

import (
	"errors"
	"slices"
	"strconv"

	"perigee/engine/manager/hub/profile"
	"perigee/engine/wire"
)

// errCyclic is returned if the attributes of a connection contain the connection itself.
var errCyclic = errors.New("the fields of a client contain the client itself")

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
	dst, err := c.AppendAttributes(dst)
	if err != nil {
		return nil, err
	}
	dst = strconv.AppendBool(append(dst, `"admin":`...), c.Admin())
	if email := c.Email(); email != "" {
		dst = wire.AppendString(append(dst, `,"email":`...), email)
	}
	dst = wire.AppendString(append(dst, `,"ip_address":`...), c.IPAddress().String())
	if name := c.Name(); name != "" {
		dst = wire.AppendString(append(dst, `,"name":`...), name)
	}
	if dst, err = c.Notifications().AppendJSON(append(dst, `,"notifications":`...)); err != nil {
		return nil, err
	}
	dst = strconv.AppendUint(append(dst, `,"resource_id":`...), c.resourceID, 10)
	if roles := c.Roles(); len(roles) > 0 {
		dst, _ = wire.Texts(roles).AppendJSON(append(dst, `,"roles":`...)) // it never fails
	}
	if dst, err = listedOf(c.subscriptions).AppendJSON(append(dst, `,"subscriptions":`...)); err != nil {
		return nil, err
	}
	dst = strconv.AppendInt(append(dst, `,"timestamp":`...), c.Timestamp().Unix(), 10)
	dst = wire.AppendString(append(dst, `,"type":`...), c.Type())
	if user := c.User(); user != "" {
		dst = wire.AppendString(append(dst, `,"user":`...), user)
	}
	dst = wire.AppendString(append(dst, `,"uuid":`...), c.uuid)
	return append(dst, '}'), profile.CheckRow(len(dst) - start)
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
