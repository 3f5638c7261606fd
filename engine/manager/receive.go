package manager

import (
	"errors"
	"strconv"

	"perigee/engine/broker"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/manager/hub"
	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// arrival is a frame on its way from its reader to the loop.
type arrival struct {
	socket  broker.Conn
	message wire.Message
	value   wire.Value        // nil where the message is unknown
	err     error             // of parsing or decoding
	checked *registry.Message // whose schema the fields were checked against
	invalid error             // what that check found
}

// read reads a frame for the scripts that run now. turn is what the loop calls what is done about it.
func (m *Manager) read(s broker.Conn, text []byte) (a arrival, turn string) {
	a.socket, turn = s, "message"
	g := m.generation.Load()
	value, err := g.application.Decode(text)
	enough := false
	if err == nil {
		a.message, enough = wire.Envelope(text, value)
	}
	if !enough {
		a.message, a.err = wire.Parse(text)
	}
	if a.err != nil {
		return a, turn
	}
	if known := g.registry.Message(a.message.Name); known != nil {
		turn = known.Turn
		a.value, a.err = value, err
		a.check(known)
	}
	return a, turn
}

// check looks whether the fields are as a message demands, unless it has done so already.
func (a *arrival) check(known *registry.Message) {
	if a.err != nil || a.checked == known {
		return
	}
	a.checked, a.invalid = known, nil
	if known.Check != nil {
		a.invalid = known.Check(a.message.Text)
	}
}

// receive does what a client asks for, if it may.
func (m *Manager) receive(a arrival) {
	c := m.hub.ByConn(a.socket)
	if c == nil {
		return // it was closed while this was on its way
	}
	g := m.generation.Load()
	known := g.registry.Message(a.message.Name)
	if known != nil && a.value == nil && a.err == nil {
		a.value, a.err = g.application.Decode(a.message.Text) // it was unknown to the scripts before
	}
	switch {
	case known != nil:
		g.measures.received[known].Add()
	case a.err != nil:
		g.measures.invalid.Add()
	default:
		g.measures.unknown.Add()
	}
	switch {
	case a.err != nil:
		c.Refuse(wire.InvalidMessage(complaint(a.err)), a.message.ID)
	case known == nil:
		c.Refuse(wire.UnknownMessage(a.message.Name), a.message.ID)
	default:
		a.check(known) // again only where the scripts have changed since
		if err := g.handle(c, known, a); err != nil {
			m.fail(g.number, known.Turn, c, a.message.ID, err)
		}
	}
	m.settle()
}

// handle runs the handler of a message and the commands that listen to it, after the guard let it pass and if its fields
// are as they should be. The first error ends it. Whoever may not send the message hears that first.
func (g *generation) handle(c *hub.Connection, known *registry.Message, a arrival) error {
	in := script.Incoming{Name: known.Name, Value: a.value, Text: a.message.Text}
	if !c.May(known.Protection, field(a.value, known.Owner)) {
		return c.Prompt(in.Text)
	}
	ok, err := true, error(nil)
	if known.Authorize != nil {
		ok, err = known.Authorize(c, in)
	}
	switch {
	case err == nil && !ok && c.Admin():
		// Another password would not help.
		return c.Send(wire.MessageException, wire.NotAllowed().Fields(a.message.ID))
	case err == nil && !ok:
		return c.Prompt(in.Text)
	case a.invalid != nil:
		c.Refuse(wire.InvalidFields(a.invalid.Error()), a.message.ID)
		return nil // where authorize failed, these fields may well be why
	case err != nil:
		return err
	}
	if known.Handle != nil {
		if err := known.Handle(c, in); err != nil {
			return err
		}
	}
	for command := range known.Commands() {
		if _, err := g.run(command, in.Value); err != nil {
			return err
		}
	}
	return nil
}

// field reads the string under a name in a decoded message; "" where there is none.
func field(v wire.Value, name string) string {
	object, ok := v.(wire.Object)
	if !ok || name == "" {
		return ""
	}
	text, _ := object.StringField(name)
	return text
}

// complaint is what a client hears of a frame that could not be read.
func complaint(err error) string {
	switch {
	case errors.Is(err, wire.ErrNotObject):
		return "a message is one JSON object"
	case errors.Is(err, wire.ErrNoName):
		return "a message has a name"
	default:
		return "the message is nested too deeply, has too many keys, or a number that is too large"
	}
}

// fail settles an error of the scripts: the log gets all of it, the client, where there is one, a reference to that, and
// the scripts their error hook. generation is the number of those that failed.
func (m *Manager) fail(generation int, turn string, c *hub.Connection, previous string, err error) {
	ref, reported := m.report(generation, turn, c, err)
	if !reported || c == nil {
		return
	}
	c.SendOrLog(wire.MessageException, wire.HandlerFailed(ref).Fields(previous))
	g := m.generation.Load()
	problem := err.Error()
	if err := measured(g.measures.failed, func() error { return g.application.Failed(c, problem) }); err != nil {
		m.report(g.number, "error", c, err)
	}
}

// report logs an error of the scripts under a short reference; the same turn that fails at the same place, called from the same
// places, once a second at most, and in between under the reference that is in the log. generation is the number of the
// scripts. What ended because the loop ends is no error.
func (m *Manager) report(generation int, turn string, c *hub.Connection, err error) (ref string, reported bool) {
	if errors.Is(err, loop.ErrStopped) {
		return "", false
	}
	place, trace := "", ""
	var placed interface{ Place() string }
	if errors.As(err, &placed) {
		place = placed.Place()
	}
	var traced interface{ Traceback() string }
	if errors.As(err, &traced) {
		trace = logging.Clip(traced.Traceback(), logging.MaxValue)
	}
	line := m.failures.Allow(strconv.Itoa(generation)+"\x00"+turn+"\x00"+place+"\x00"+trace, m.loop.Now())
	if !line.Allowed {
		return line.Ref, true
	}
	fields := []any{
		"turn", turn, "generation", generation, "ref", line.Ref,
		"error", logging.Clip(err.Error(), logging.MaxValue), "suppressed", line.Suppressed,
	}
	if c != nil {
		fields = append(fields, "uuid", c.UUID())
	}
	if trace != "" {
		fields = append(fields, "traceback", trace)
	}
	m.log.Error("manager: script failed", fields...)
	return line.Ref, true
}
