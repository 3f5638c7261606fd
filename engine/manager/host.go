package manager

import (
	"fmt"
	"slices"
	"time"

	"perigee/engine/manager/hub"
	"perigee/engine/manager/registry"
	"perigee/engine/script"
	"perigee/engine/script/module"
	"perigee/engine/wire"
)

// The methods in this file implement script.Host, which describes them, as do the exported methods of a generation in
// delayed.go, metrics.go, timers.go and topics.go.

func (g *generation) Listen(message, command, source string) (silence func(), err error) {
	return g.registry.Listen(message, command, source)
}

func (g *generation) RemoveMessage(name string) error { return g.registry.RemoveMessage(name) }

func (g *generation) Run(command string, arguments wire.Value) (wire.Value, error) {
	c, err := g.registry.Command(command)
	if err != nil {
		return nil, err
	}
	return c.Run(arguments)
}

func (g *generation) Connections() []script.Client { return g.manager.hub.Clients() }

func (g *generation) Connection(uuid string) script.Client {
	if c := g.manager.hub.ByUUID(uuid); c != nil {
		return c
	}
	return nil
}

func (g *generation) UserConnections(user string) []script.Client {
	return g.manager.hub.UserClients(user)
}

func (g *generation) Users() []string { return g.manager.hub.Users() }

func (g *generation) Send(to []script.Client, name string, fields wire.Fields) error {
	if !slices.ContainsFunc(to, script.Client.Open) {
		return nil
	}
	f, err := g.manager.hub.Encode(name, fields)
	if err != nil {
		return err
	}
	g.do(func() {
		for _, client := range to {
			if c, ok := client.(*hub.Connection); ok {
				c.SendFrame(f)
			}
		}
	})
	return nil
}

func (g *generation) Broadcast(name string, fields wire.Fields) error {
	h := g.manager.hub
	if len(h.All()) == 0 {
		return nil
	}
	f, err := h.Encode(name, fields)
	if err == nil {
		g.do(func() { h.Broadcast(f) })
	}
	return err
}

func (g *generation) Publish(to script.Topic, name string, fields wire.Fields) error {
	t, ok := to.(*hub.Topic)
	if !ok || !t.TakesMessages() {
		return nil
	}
	f, err := g.manager.hub.Encode(name, fields)
	if err == nil {
		g.do(func() { t.Publish(f) })
	}
	return err
}

func (g *generation) Remember(in script.Topic, name string, fields wire.Fields) error {
	f, err := g.manager.hub.Encode(name, fields)
	if t, ok := in.(*hub.Topic); ok && err == nil {
		g.do(func() { t.Remember(f) })
	}
	return err
}

func (g *generation) Close(c script.Client, code int, reason string) error {
	why, err := wire.CloseWith(code, reason)
	if own, ok := c.(*hub.Connection); ok && err == nil {
		g.do(func() { own.Close(why) })
	}
	return err
}

func (g *generation) Roster() { g.do(g.manager.hub.Roster().Flush) }

func (g *generation) SetWorker(w module.WorkerOptions) error {
	if g.phase != loading {
		return fmt.Errorf("server.work %w", registry.ErrNotLoading)
	}
	g.worker = &w
	return nil
}

// Stop calls Options.Stop after the present turn, so that all frames of the turn are sent.
func (g *generation) Stop() {
	m := g.manager
	g.do(func() {
		if m.stopping {
			return
		}
		m.stopping = true
		m.loop.Next("stop", func() { m.options.Stop(wire.CloseRestart()) })
	})
}

func (g *generation) Supervisor() string { return g.manager.options.Supervisor }

func (g *generation) Uptime() time.Duration { return g.manager.loop.Now().Sub(g.manager.started) }
