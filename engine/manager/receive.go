package manager

import (
	"errors"
	"strconv"

	"perigee/engine/broker"
	"perigee/engine/failures"
	"perigee/engine/logging"
	"perigee/engine/loop"
	"perigee/engine/manager/hub"
	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/trace"
	"perigee/engine/wire"
)

// incoming is a message on its way from the reader of its connection to the loop.
type incoming struct {
	conn    broker.Conn
	number  uint64 // in the order of the socket, from 1
	message wire.Message
	value   wire.Value        // nil if the message was unknown to the scripts that ran
	err     error             // of parsing or decoding
	checked *registry.Message // the message whose schema the fields were checked against
	invalid error             // the result of that check
}

// read decodes and checks a frame for the scripts that run now, on the goroutine of the reader. turn is the name of the turn
// that handles it.
func (m *Manager) read(conn broker.Conn, text []byte) (in incoming, turn string) {
	in.conn, in.number, turn = conn, conn.Heard(), "message"
	g := m.generation.Load()
	value, err := g.application.Decode(text)
	hasEnvelope := false
	if err == nil {
		in.message, hasEnvelope = wire.Envelope(text, value)
	}
	if !hasEnvelope {
		in.message, in.err = wire.Parse(text)
	}
	if in.err != nil {
		in.message.Text = text
		return in, turn
	}
	if msg := g.registry.Message(in.message.Name); msg != nil {
		turn = msg.Turn
		in.value, in.err = value, err
		in.check(msg)
	}
	return in, turn
}

// check checks the fields against the schema of a message, unless it has done so already.
func (in *incoming) check(msg *registry.Message) {
	if in.err != nil || in.checked == msg {
		return
	}
	in.checked, in.invalid = msg, nil
	if msg.Check != nil {
		in.invalid = msg.Check(in.message.Text)
	}
}

// receive handles a message of a client.
func (m *Manager) receive(in incoming) {
	if c := m.hub.ByConn(in.conn); c != nil { // it may have been closed, or taken over by another socket, after the message came
		c.Heard(in.number)
		m.loop.As(c.Owner(), func() { m.receiveFrom(c, in) })
	}
}

func (m *Manager) receiveFrom(c *hub.Connection, in incoming) {
	came := c.TraceIn(in.message.Name, in.message.Text)
	g := m.generation.Load()
	msg := g.registry.Message(in.message.Name)
	if msg != nil && in.value == nil && in.err == nil {
		in.value, in.err = g.application.Decode(in.message.Text) // the scripts that ran when it came did not know it
	}
	switch {
	case msg != nil:
		g.metrics.messages[msg].received.Add()
	case in.err != nil:
		g.metrics.invalid.Add()
	default:
		g.metrics.unknown.Add()
	}
	var outcome trace.Outcome
	switch {
	case in.err != nil:
		outcome = refuse(c, in, wire.InvalidMessage(invalidReason(in.err)))
	case msg == nil:
		similar := ""
		if m.options.SuggestMessages {
			similar = g.registry.SimilarMessage(in.message.Name)
		}
		outcome = refuse(c, in, wire.UnknownMessage(in.message.Name, similar))
	default:
		in.check(msg) // again if the scripts were replaced since
		var err error
		if outcome, err = g.handle(c, msg, in); err != nil {
			outcome = m.fail(g.number, msg.Turn, c, in.message.ID, &inputError{err, in.message.Text})
		}
	}
	c.TraceOutcome(came, in.message.Name, outcome)
	m.hub.Flush()
}

// refuse answers a bad message.
func refuse(c *hub.Connection, in incoming, e wire.Exception) trace.Outcome {
	c.Refuse(e, in.message.ID)
	return refused(e)
}

func refused(e wire.Exception) trace.Outcome {
	return trace.Outcome{Kind: trace.Refused, Exception: e.Name, Reason: e.Message}
}

// handle runs the handler of a message and the commands that listen to it, if the connection may send it, the fields are valid,
// and not too many handlers wait on behalf of the connection. The protection and the roles are checked first. The first error ends it.
func (g *generation) handle(c *hub.Connection, msg *registry.Message, in incoming) (trace.Outcome, error) {
	handled := trace.Outcome{Kind: trace.Handled}
	call := script.Incoming{Name: msg.Name, ID: in.message.ID, Value: in.value, Text: in.message.Text}
	if !c.May(msg.Protection, stringField(in.value, msg.Owner)) {
		return trace.Outcome{Kind: trace.Prompted}, c.Prompt(call.Text, msg.Prompt)
	}
	if !c.HasRole(msg.Roles) {
		return g.deny(c, msg, call, wire.RoleMissing(msg.Name))
	}
	if err := g.manager.loop.CheckOwner(); err != nil { // before the handler has done a part of its work
		return handled, err
	}
	ok, err := true, error(nil)
	if msg.Authorize != nil {
		ok, err = msg.Authorize(c, call)
	}
	switch {
	case err == nil && !ok:
		return g.deny(c, msg, call, wire.NotAllowed(msg.Name))
	case in.invalid != nil:
		return refuse(c, in, wire.InvalidFields(in.invalid.Error())), nil // an error of authorize may well come from these fields
	case err != nil:
		return handled, err
	}
	if msg.Handle != nil {
		err := runCounted(g.metrics.messages[msg].handler, func() error { return msg.Handle(c, call) })
		if err != nil {
			return handled, err
		}
	}
	for command := range msg.Commands() {
		if _, err := g.Run(command, call.Value); err != nil {
			return handled, err
		}
	}
	return handled, nil
}

// deny answers a message that the protection allows and that its roles or its authorize function do not. Signing in again would not
// help an admin or a user, who gets the exception; anybody else is prompted.
func (g *generation) deny(c *hub.Connection, msg *registry.Message, call script.Incoming, e wire.Exception) (trace.Outcome, error) {
	if c.Admin() || c.User() != "" {
		return refused(e), c.Send(wire.MessageException, e.Fields(call.ID))
	}
	return trace.Outcome{Kind: trace.Prompted}, c.Prompt(call.Text, msg.Prompt)
}

// stringField returns the string field of a decoded message, or "".
func stringField(v wire.Value, name string) string {
	object, ok := v.(wire.Object)
	if !ok || name == "" {
		return ""
	}
	text, _ := object.StringField(name)
	return text
}

// invalidReason returns the sentence for a client whose frame could not be read.
func invalidReason(err error) string {
	switch {
	case errors.Is(err, wire.ErrNotObject):
		return "a message is one JSON object"
	case errors.Is(err, wire.ErrNoName):
		return "a message has a name"
	default:
		return "the message cannot be read: " + decodeReason(err)
	}
}

// decodeReason returns why a text cannot be decoded: its error may know the place.
func decodeReason(err error) string {
	if placed, ok := errors.AsType[interface {
		error
		Reason() string
	}](err); ok {
		return placed.Reason()
	}
	return err.Error()
}

// inputError is an error of a handler together with what it handled.
type inputError struct {
	error
	input []byte // JSON text, which may have secrets
}

func (e *inputError) Unwrap() error { return e.error }

// fail handles an error of the scripts of a generation: it logs the error, sends the connection, unless it is nil, a reference
// to the log line, and runs the error hook for it. If the connection on whose behalf the turn runs has reached its limit of
// waiting handlers, that is not an error of the scripts, and the loop has reported it.
func (m *Manager) fail(generation int, turn string, c *hub.Connection, previous string, err error) trace.Outcome {
	exc, isRefusal := refusalOf(err)
	if loop.RefusedOwner(err) {
		if c == nil {
			return trace.Outcome{}
		}
		exc, isRefusal = wire.TooManyMessages(), true
	}
	if isRefusal && c != nil {
		c.SendOrLog(wire.MessageException, exc.Fields(previous))
		return refused(exc)
	}
	ref, reported := m.report(generation, turn, c, err)
	if !reported || c == nil {
		return trace.Outcome{}
	}
	c.SendOrLog(wire.MessageException, wire.HandlerFailed(ref).Fields(previous))
	g := m.generation.Load()
	problem := err.Error()
	if err := runCounted(g.metrics.onError, func() error { return g.application.OnError(c, problem) }); err != nil {
		m.report(g.number, "error", c, err)
	}
	return trace.Outcome{Kind: trace.Failed, Ref: ref}
}

// refusalOf returns what a client hears whose message was refused, by a script or by the schema of a command.
func refusalOf(err error) (exc wire.Exception, refused bool) {
	if refusal, ok := errors.AsType[*script.Refusal](err); ok {
		return wire.Refused(refusal.Reason), true
	}
	if invalid, ok := errors.AsType[*script.ArgumentsError](err); ok {
		return wire.InvalidFields(invalid.Problem), true
	}
	return exc, false
}

// report logs an error of the scripts of a generation under a short reference. Errors of the same turn with the same place and
// traceback are logged once a second at most; those in between have the reference of the last one logged. loop.ErrStopped is
// not reported.
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
	now, key := m.loop.Now(), strconv.Itoa(generation)+"\x00"+turn+"\x00"+place+"\x00"+trace
	line := m.failures.Allow(key, now)
	if !line.Allowed {
		m.options.Failures.Count(key, now)
		return line.Ref, true
	}
	fields := []any{
		"turn", turn, "generation", generation, "ref", line.Ref,
		"error", logging.Clip(err.Error(), logging.MaxValue), "suppressed", line.Suppressed,
	}
	if c != nil {
		fields = append(fields, "uuid", c.UUID())
	}
	if _, refused := errors.AsType[*script.Refusal](err); refused {
		m.log.Warn("manager: script refused, and nobody hears of it", fields...)
		return line.Ref, true
	}
	if trace != "" {
		fields = append(fields, "traceback", trace)
	}
	m.log.Error("manager: script failed", fields...)
	m.keep(key, failures.Failure{
		Ref: line.Ref, Last: now, Turn: turn, Generation: generation, Error: err.Error(), Place: place, Traceback: trace,
	}, c, err)
	return line.Ref, true
}

// keep keeps a failure for operators, with what was handled and the lines around its place.
func (m *Manager) keep(key string, f failures.Failure, c *hub.Connection, err error) {
	if m.options.Failures == nil && m.options.OnFailure == nil {
		return
	}
	if c != nil {
		f.UUID = c.UUID()
	}
	var input []byte
	if handled, ok := errors.AsType[*inputError](err); ok {
		input = handled.input
	}
	g := m.generation.Load()
	if sources, ok := g.application.(interface{ Source(file string) []byte }); ok && g.number == f.Generation {
		file, line := failures.SplitPlace(f.Place)
		f.Source = failures.Around(sources.Source(file), line)
	}
	m.options.Failures.Add(key, f, input)
	if m.options.OnFailure != nil {
		m.options.OnFailure(f)
	}
}
