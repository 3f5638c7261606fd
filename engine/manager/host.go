package manager

import (
	"time"

	"perigee/engine/script"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// host is the manager as scripts see it: script.Host says what each method does. It is a type of its own because its
// methods run on the loop.
type host struct{ m *Manager }

func (h *host) Message(msg script.Message) error { return h.m.registerMessage(msg) }
func (h *host) Command(c script.Command) error   { return h.m.registerCommand(c) }

func (h *host) Listen(message, command, source string) (silence func(), err error) {
	return h.m.listen(message, command, source)
}

func (h *host) Run(command string, arguments wire.Value) (wire.Value, error) {
	return h.m.run(command, arguments)
}

func (h *host) Next(command string, arguments wire.Value) (abort func(), err error) {
	if _, err := h.m.command(command); err != nil {
		return nil, err
	}
	aborted := false
	h.m.loop.Next("command "+command, func() {
		if !aborted {
			h.m.perform(command, arguments)
		}
	})
	return func() { aborted = true }, nil
}

func (h *host) Delay(after time.Duration, command string, arguments wire.Value) (abort func(), err error) {
	if _, err := h.m.command(command); err != nil {
		return nil, err
	}
	return h.m.loop.After(after, "command "+command, func() { h.m.perform(command, arguments) }), nil
}

// perform runs a command as a turn of its own.
func (m *Manager) perform(command string, arguments wire.Value) {
	if _, err := m.run(command, arguments); err != nil {
		m.fail("command "+command, nil, "", err)
	}
	m.settle()
}

func (h *host) Timer(o script.TimerOptions) (script.Timer, error) {
	if err := h.m.checkTimer(o); err != nil {
		return nil, err
	}
	return h.m.startTimer(o), nil
}

func (h *host) Connections() []script.Client { return clients(h.m.order) }

func (h *host) Connection(uuid string) script.Client {
	if c := h.m.uuids[uuid]; c != nil {
		return c
	}
	return nil
}

func (h *host) Send(to []script.Client, name string, fields wire.Fields) error {
	if len(to) == 0 {
		return nil
	}
	f, _, err := h.m.encode(name, fields)
	if err != nil {
		return err
	}
	for _, client := range to {
		if c, ok := client.(*connection); ok && c.open {
			c.socket.Send(f)
		}
	}
	return nil
}

func (h *host) Broadcast(name string, fields wire.Fields) error { return h.m.broadcast(name, fields) }

func (h *host) Roster() { h.m.askRoster() }

func (h *host) Topics() []script.Topic { return topicList(h.m.topics.list()) }

func (h *host) Topic(nameOrUUID string) script.Topic {
	if t := h.m.topics.find(nameOrUUID); t != nil {
		return t
	}
	return nil
}

func (h *host) Register(name string, o script.TopicOptions) (script.Topic, error) {
	t, err := h.m.registerTopic(name, o)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (h *host) Unregister(t script.Topic) {
	if own, ok := t.(*topic); ok {
		h.m.unregisterTopic(own)
	}
}

func (h *host) Work(w module.Work) error { return h.m.work(w) }

// Stop puts the end after the present turn, so that what it still sends is sent.
func (h *host) Stop() {
	if h.m.stopping {
		return
	}
	h.m.stopping = true
	h.m.loop.Next("stop", func() { h.m.options.Stop(wire.CloseRestart()) })
}

func (h *host) Uptime() time.Duration { return h.m.loop.Now().Sub(h.m.started) }
func (h *host) Now() time.Time        { return h.m.loop.Now() }
