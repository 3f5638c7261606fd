package manager

import (
	"slices"
	"time"

	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// host is the manager as one generation of scripts sees it: script.Host says what each method does. It is a type of its own
// because its methods run on the loop. While the scripts load, what others would notice is put off until the swap.
type host struct {
	m *Manager
	g *generation
}

func (h *host) Message(msg script.Message) error { return h.g.addMessage(msg) }
func (h *host) Command(c script.Command) error   { return h.g.addCommand(c) }

func (h *host) Listen(message, command, source string) (silence func(), err error) {
	return h.g.registry.Listen(message, command, source)
}

func (h *host) Run(command string, arguments wire.Value) (wire.Value, error) {
	return h.g.run(command, arguments)
}

func (h *host) Next(command string, arguments wire.Value) (abort func(), err error) {
	return h.g.put(command, arguments, func(run func()) func() {
		h.m.loop.Next("command "+command, run)
		return func() {}
	})
}

func (h *host) Delay(after time.Duration, command string, arguments wire.Value) (abort func(), err error) {
	due := h.m.loop.Now().Add(after)
	return h.g.put(command, arguments, func(run func()) func() {
		return h.m.loop.After(due.Sub(h.m.loop.Now()), "command "+command, run)
	})
}

func (h *host) Timer(o script.TimerOptions) (script.Timer, error) {
	w, err := h.g.startTimer(o)
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (h *host) Connections() []script.Client { return h.m.hub.Clients() }

func (h *host) Connection(uuid string) script.Client {
	if c := h.m.hub.ByUUID(uuid); c != nil {
		return c
	}
	return nil
}

func (h *host) Send(to []script.Client, name string, fields wire.Fields) error {
	if !slices.ContainsFunc(to, script.Client.Open) {
		return nil
	}
	f, err := h.m.hub.Encode(name, fields)
	if err != nil {
		return err
	}
	h.g.do(func() {
		for _, client := range to {
			if c, ok := client.(*hub.Connection); ok {
				c.SendFrame(f)
			}
		}
	})
	return nil
}

func (h *host) Broadcast(name string, fields wire.Fields) error {
	if len(h.m.hub.All()) == 0 {
		return nil
	}
	f, err := h.m.hub.Encode(name, fields)
	if err == nil {
		h.g.do(func() { h.m.hub.Broadcast(f) })
	}
	return err
}

func (h *host) Publish(to script.Topic, name string, fields wire.Fields) error {
	t, ok := to.(*hub.Topic)
	if !ok || !t.MayHaveSubscribers() {
		return nil
	}
	f, err := h.m.hub.Encode(name, fields)
	if err == nil {
		h.g.do(func() { t.Publish(f) })
	}
	return err
}

func (h *host) Close(c script.Client, code int, reason string) error {
	why, err := wire.CloseWith(code, reason)
	if own, ok := c.(*hub.Connection); ok && err == nil {
		h.g.do(func() { own.Close(why) })
	}
	return err
}

func (h *host) Roster() { h.g.do(h.m.hub.FlushRoster) }

func (h *host) Topics() []script.Topic { return hub.TopicList(h.g.allTopics()) }

func (h *host) Topic(nameOrUUID string) script.Topic {
	if t := h.g.findTopic(nameOrUUID); t != nil {
		return t
	}
	return nil
}

func (h *host) Register(name string, o script.TopicOptions) (script.Topic, error) {
	t, err := h.g.registerTopic(name, o)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (h *host) Unregister(t script.Topic) {
	if own, ok := t.(*hub.Topic); ok {
		h.g.do(func() { h.m.hub.Unregister(own) })
	}
}

func (h *host) Work(w module.Work) error { return h.g.takeJobs(w) }

// Stop puts the end after the present turn, so that what it still sends is sent.
func (h *host) Stop() {
	h.g.do(func() {
		if h.m.stopping {
			return
		}
		h.m.stopping = true
		h.m.loop.Next("stop", func() { h.m.options.Stop(wire.CloseRestart()) })
	})
}

func (h *host) Uptime() time.Duration { return h.m.loop.Now().Sub(h.m.started) }
