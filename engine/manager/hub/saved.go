package hub

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unique"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/manager/hub/profile"
	"perigee/engine/manager/hub/saved"
	"perigee/engine/manager/hub/token"
)

// Values are how the scripts keep their values for the next server.
type Values = profile.Values

// SaveConnections writes the connections that are away, for the RestoreConnections of the next server. It is called after the loop and the broker have
// ended. A field that has no JSON form is left out and named in the error.
func (h *Hub) SaveConnections(to io.Writer, values Values) error {
	w, err := saved.NewWriter[saved.Connection](to)
	faults := []error{err}
	for _, c := range h.connections {
		if c.absence != nil {
			form, err := c.save(values)
			faults = append(faults, err, w.Write(form))
		}
	}
	return errors.Join(faults...)
}

func (c *Connection) save(values Values) (form *saved.Connection, err error) {
	r := c.resumption
	form = &saved.Connection{
		UUID: c.uuid, ResourceID: c.resourceID, OpenedAt: c.openedAt, Address: c.IPAddress(),
		Origin: r.origin.Value(), Sent: c.conn.Sent(), Handled: r.handled,
	}
	form.Token, form.Previous = r.tokens.Hashes()
	frames := c.conn.Kept()
	if uint64(len(frames)) == form.Sent && len(frames) > 0 {
		frames = frames[1:] // ConnectionResumable, with the token: who has not received it cannot come back
	}
	for _, text := range frames {
		form.Unconfirmed = append(form.Unconfirmed, text)
	}
	for _, t := range c.subscriptions {
		form.Topics = append(form.Topics, t.name)
	}
	return form, c.Save(form, values)
}

// RestoreOptions are what RestoreConnections needs of others.
type RestoreOptions struct {
	// Conn returns the socket, which is away, of a client that was sent that many frames, of which the last ones are kept.
	Conn   func(peer auth.Peer, opened time.Time, sent uint64, kept [][]byte) broker.Conn
	Values Values
}

// RestoreConnections adds the connections of SaveConnections. They are away from then on. A field that cannot be decoded is left out.
// The error names what is left out; if the text is damaged, that is everything from there on.
func (h *Hub) RestoreConnections(from io.Reader, o RestoreOptions) error {
	r, err := saved.NewReader[saved.Connection](from)
	if err != nil {
		return err
	}
	h.beginRestore()
	var faults []error
	for {
		form, err := r.Read()
		if form == nil {
			return errors.Join(append(faults, err)...)
		}
		h.firstID = max(h.firstID, form.ResourceID)
		faults = append(faults, h.restore(form, o))
	}
}

func (h *Hub) restore(form *saved.Connection, o RestoreOptions) error {
	tokens, ok := token.Parse(form.Token, form.Previous)
	if !ok || uint64(len(form.Unconfirmed)) > form.Sent || h.byUUID[form.UUID] != nil {
		return saved.Damaged(fmt.Errorf("connection %q", form.UUID))
	}
	frames := make([][]byte, len(form.Unconfirmed))
	for i, text := range form.Unconfirmed {
		frames[i] = text
	}
	sent := form.Sent
	if slices.ContainsFunc(form.Topics, func(name string) bool { return h.topics.byName[name] == nil }) {
		// As if the client had missed a frame: it has missed that the topic has gone, so the scripts set the connection up anew.
		sent, frames = sent+1, nil
	}
	p, err := profile.Restore(form, o.Values)
	c := h.make(identity{
		conn: o.Conn(auth.Peer{Addr: form.Address}, form.OpenedAt, sent, frames),
		uuid: form.UUID, resourceID: form.ResourceID, openedAt: form.OpenedAt, open: true,
	}, p)
	h.insert(c)
	c.resumption = &resumption{origin: unique.Make(form.Origin), tokens: tokens, handled: form.Handled}
	h.away.tokens.Add(&c.resumption.tokens, c)
	h.subscribeRestored(c, form.Topics)
	lost, left := h.windows()
	c.beginAbsence(max(lost, left), "")
	c.changed(true)
	return err
}
