package manager

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"perigee/engine/manager/hub"
	"perigee/engine/script"
)

// pendingTopics are the topics that scripts have registered while they load.
type pendingTopics struct {
	byName, byUUID map[string]*hub.Topic
	listed         int
}

func (p *pendingTopics) add(t *hub.Topic) {
	if p.byName == nil {
		p.byName, p.byUUID = map[string]*hub.Topic{}, map[string]*hub.Topic{}
	}
	p.byName[t.Name()], p.byUUID[t.UUID()] = t, t
	if t.Listed() {
		p.listed++
	}
}

// Register makes a topic, unless there is one. A topic that is made while the scripts load is announced to clients at the swap.
func (g *generation) Register(name string, o script.TopicOptions) (script.Topic, error) {
	if name == "" || len(name) > hub.MaxTopicName {
		return nil, fmt.Errorf("the topic name has %d bytes; it must have 1 to %d", len(name), hub.MaxTopicName)
	}
	h := g.manager.hub
	if t := g.findTopic(name); t != nil && t.Name() == name {
		if err := g.registerAgain(t, o); err != nil {
			return nil, err
		}
		return t, nil
	}
	if err := h.CheckTopics(len(g.pending.byName)); err != nil {
		return nil, err
	}
	if o.Listed != nil && *o.Listed {
		if err := h.CheckListed(g.pending.listed); err != nil {
			return nil, err
		}
	}
	t := h.NewTopic(name, o, g.do)
	if g.phase == loading {
		g.pending.add(t)
		return t, nil
	}
	h.AddTopic(t)
	return t, nil
}

// registerAgain compares the options of an existing topic with those that a script wants. Scripts that load may change the
// options of a topic from before, except who may subscribe: that must not change without the knowledge of the script that made it.
func (g *generation) registerAgain(t *hub.Topic, o script.TopicOptions) error {
	if t.Access() != o.TopicAccess {
		return fmt.Errorf("topic %q exists already, with protection %q", t.Name(), t.Access().Protection)
	}
	var difference string
	switch {
	case o.Listed != nil && *o.Listed != t.Listed():
		difference = fmt.Sprintf("listed = %t", t.Listed())
	case o.History != nil && *o.History != t.HistoryLimit():
		difference = fmt.Sprintf("history = %d", t.HistoryLimit())
	case o.Presence != nil && *o.Presence != t.HasPresence():
		difference = fmt.Sprintf("presence = %t", t.HasPresence())
	default:
		return nil
	}
	if g.phase != loading || g.pending.byName[t.Name()] == t {
		return fmt.Errorf("topic %q exists already, with %s", t.Name(), difference)
	}
	if o.Listed != nil && *o.Listed && !t.Listed() {
		if err := g.manager.hub.CheckListed(g.pending.listed); err != nil {
			return err
		}
	}
	g.do(func() { g.manager.hub.Change(t, o) })
	return nil
}

func (g *generation) Unregister(t script.Topic) {
	if own, ok := t.(*hub.Topic); ok {
		g.do(func() { g.manager.hub.Unregister(own) })
	}
}

func (g *generation) Topic(nameOrUUID string) script.Topic {
	if t := g.findTopic(nameOrUUID); t != nil {
		return t
	}
	return nil
}

// findTopic returns nil if these scripts see no such topic.
func (g *generation) findTopic(nameOrUUID string) *hub.Topic {
	if t := cmp.Or(g.pending.byUUID[nameOrUUID], g.pending.byName[nameOrUUID]); t != nil {
		return t
	}
	return g.manager.hub.FindTopic(nameOrUUID)
}

func (g *generation) Topics() []script.Topic {
	list := slices.AppendSeq(g.manager.hub.Topics(), maps.Values(g.pending.byName))
	slices.SortStableFunc(list, func(a, b *hub.Topic) int { return cmp.Compare(a.Name(), b.Name()) })
	return hub.TopicList(list)
}
