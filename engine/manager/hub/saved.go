package hub

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
	"unique"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/wire"
)

// savedVersion is the version of the form in which connections are kept for the next server.
const savedVersion = 1

// savedHeader is the first value of the text. A savedConnection follows for each connection, in the order of opening.
type savedHeader struct {
	Version int `json:"version"`
}

// savedConnection is a connection that is kept. It has no admin right: rights never come from a file.
type savedConnection struct {
	UUID          string              `json:"uuid"`
	ResourceID    uint64              `json:"resource_id"`
	OpenedAt      time.Time           `json:"opened_at"`
	Address       netip.Addr          `json:"address"`
	Type          string              `json:"type"`
	Name          string              `json:"name,omitempty"`
	Email         string              `json:"email,omitempty"`
	User          string              `json:"user,omitempty"`
	Admitted      string              `json:"admitted,omitempty"` // the user that the connect hook has set
	Given         []string            `json:"given,omitempty"`    // the fields that the connect hook has returned
	Roles         []string            `json:"roles,omitempty"`
	Data          json.RawMessage     `json:"data,omitempty"`
	Fields        []savedField        `json:"fields,omitempty"`
	Notifications []savedNotification `json:"notifications,omitempty"`
	Topics        []string            `json:"topics,omitempty"` // names
	Token         []byte              `json:"token"`            // SHA-256, as is Previous
	Previous      []byte              `json:"previous,omitempty"`
	Origin        string              `json:"origin,omitempty"`
	Sent          uint64              `json:"sent"`           // frames
	Kept          []json.RawMessage   `json:"kept,omitempty"` // the last ones of them, which the client may not have received
	Handled       uint64              `json:"handled"`        // messages
}

type savedField struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

type savedNotification struct {
	UUID   string    `json:"uuid"`
	Sender string    `json:"sender"`
	At     time.Time `json:"at"`
}

// Values are how the scripts keep their values for the next server.
type Values interface {
	// DecodeField converts the JSON of a client's field.
	DecodeField(text []byte) (wire.Value, error)
	// EncodeData and DecodeData convert the private data of a client, exactly.
	EncodeData(v wire.Value) (text []byte, err error)
	DecodeData(text []byte) (wire.Value, error)
}

// Save writes the connections that are away, for the Restore of the next server. It is called after the loop and the broker have
// ended. A field that has no JSON form is left out and named in the error.
func (h *Hub) Save(w io.Writer, scripts Values) error {
	text := json.NewEncoder(w)
	text.SetEscapeHTML(false) // kept frames stay as they are
	faults := []error{text.Encode(savedHeader{savedVersion})}
	for _, c := range h.connections {
		if c.absence != nil {
			kept, err := c.save(scripts)
			faults = append(faults, err, text.Encode(kept))
		}
	}
	return errors.Join(faults...)
}

func (c *Connection) save(scripts Values) (kept savedConnection, err error) {
	r := c.resumption
	kept = savedConnection{
		UUID: c.uuid, ResourceID: c.resourceID, OpenedAt: c.openedAt, Address: c.IPAddress(), Type: c.kind, Name: c.name, Email: c.email,
		User: c.User(), Admitted: c.admitted(), Given: c.given(), Roles: c.Roles(), Token: r.token[:], Origin: r.origin.Value(), Sent: c.conn.Sent(), Handled: r.handled,
	}
	if c.admin { // the right ends with the server, and the key can give it again
		kept.Given = slices.DeleteFunc(slices.Clone(kept.Given), func(field string) bool { return field == "admin" })
	}
	if r.previous != nil {
		kept.Previous = r.previous[:]
	}
	if data := c.Data(); data != nil {
		if kept.Data, err = scripts.EncodeData(data); err != nil {
			err = fmt.Errorf("hub: the data of client %s: %w", c.uuid, err)
		}
	}
	frames := c.conn.Kept()
	if uint64(len(frames)) == kept.Sent && len(frames) > 0 {
		frames = frames[1:] // ConnectionResumable, with the token: who has not received it cannot come back
	}
	for _, text := range frames {
		kept.Kept = append(kept.Kept, text)
	}
	for _, a := range c.attributes {
		text, fault := a.value.AppendJSON(nil)
		if fault != nil {
			err = errors.Join(err, fmt.Errorf("hub: field %s of client %s: %w", a.name, c.uuid, fault))
			continue
		}
		kept.Fields = append(kept.Fields, savedField{a.name, text})
	}
	for _, n := range c.notifications {
		kept.Notifications = append(kept.Notifications, savedNotification{n.uuid, n.sender, n.at})
	}
	for _, t := range c.subscriptions {
		kept.Topics = append(kept.Topics, t.name)
	}
	return kept, err
}

// RestoreOptions are what Restore needs of others.
type RestoreOptions struct {
	// Conn returns the socket, which is away, of a client that was sent that many frames, of which the last ones are kept.
	Conn    func(peer auth.Peer, opened time.Time, sent uint64, kept [][]byte) broker.Conn
	Scripts Values
}

// Restore adds the connections of Save. They are away from then on. A field that cannot be decoded is left out. The error names what
// is left out; if the text is damaged, that is everything from there on.
func (h *Hub) Restore(from io.Reader, o RestoreOptions) error {
	text := json.NewDecoder(from)
	var header savedHeader
	if err := text.Decode(&header); err != nil {
		return errDamaged(err)
	}
	if header.Version != savedVersion {
		return fmt.Errorf("hub: the kept connections have the version %d; this program knows only %d", header.Version, savedVersion)
	}
	if len(h.topics.byName) > 0 {
		h.schedule(&h.topics.update) // they have other UUIDs than those of the server before
	}
	var faults []error
	for {
		var kept savedConnection
		if err := text.Decode(&kept); errors.Is(err, io.EOF) {
			return errors.Join(faults...)
		} else if err != nil {
			return errors.Join(append(faults, errDamaged(err))...)
		}
		h.firstID = max(h.firstID, kept.ResourceID)
		faults = append(faults, h.restore(&kept, o))
	}
}

func errDamaged(err error) error { return fmt.Errorf("hub: the kept connections are damaged: %w", err) }

func (h *Hub) restore(kept *savedConnection, o RestoreOptions) (err error) {
	if len(kept.Token) != sha256.Size || uint64(len(kept.Kept)) > kept.Sent || h.byUUID[kept.UUID] != nil {
		return errDamaged(fmt.Errorf("connection %q", kept.UUID))
	}
	frames := make([][]byte, len(kept.Kept))
	for i, text := range kept.Kept {
		frames[i] = text
	}
	sent := kept.Sent
	if slices.ContainsFunc(kept.Topics, func(name string) bool { return h.topics.byName[name] == nil }) {
		// As if the client had missed a frame: it has missed that the topic has gone, so the scripts set the connection up anew.
		sent, frames = sent+1, nil
	}
	conn := o.Conn(auth.Peer{Addr: kept.Address}, kept.OpenedAt, sent, frames)
	c := h.make(profile{
		conn: conn, uuid: kept.UUID, resourceID: kept.ResourceID, openedAt: kept.OpenedAt, open: true,
		kind: kept.Type, name: kept.Name, email: kept.Email,
	})
	h.insert(c)
	c.resumption = &resumption{origin: unique.Make(kept.Origin), token: tokenHash(kept.Token), handled: kept.Handled}
	h.away.byToken[c.resumption.token] = c
	if len(kept.Previous) == sha256.Size {
		previous := tokenHash(kept.Previous)
		c.resumption.previous = &previous
		h.away.byToken[previous] = c
	}
	c.SetUser(kept.User)
	c.setAdmitted(kept.Admitted)
	c.SetFromConnect(kept.Given)
	c.SetRoles(kept.Roles)
	if len(kept.Data) > 0 {
		data, fault := o.Scripts.DecodeData(kept.Data)
		if fault == nil {
			c.SetData(data)
		} else {
			err = fmt.Errorf("hub: the data of client %s: %w", c.uuid, fault)
		}
	}
	for _, field := range kept.Fields {
		v, fault := o.Scripts.DecodeField(field.Value)
		if fault == nil {
			fault = c.SetAttribute(field.Name, v)
		}
		if fault != nil {
			err = errors.Join(err, fmt.Errorf("hub: field %s of client %s: %w", field.Name, c.uuid, fault))
		}
	}
	for _, n := range kept.Notifications {
		c.notifications = append(c.notifications, notification{n.UUID, n.Sender, n.At})
	}
	h.subscribeRestored(c, kept.Topics)
	lost, left := h.windows()
	c.leave(max(lost, left), "")
	c.changed()
	return err
}

// subscribeRestored subscribes a connection to the topics of these names that there are, and tells its client if it had any.
func (h *Hub) subscribeRestored(c *Connection, names []string) {
	for _, name := range slices.Sorted(slices.Values(names)) {
		if t := h.topics.byName[name]; t != nil {
			_ = t.Subscribe(c) // the limit of subscriptions may have become lower
		}
	}
	if len(names) > 0 {
		c.subscriptionsChanged()
	}
}
