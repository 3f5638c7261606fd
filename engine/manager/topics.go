package manager

import (
	"cmp"
	"fmt"
	"slices"

	"perigee/engine/manager/hub"
	"perigee/engine/script"
)

// Register makes a topic, unless there is one. A topic that is made while the scripts load is announced to clients at the swap.
func (g *generation) Register(name string, o script.TopicOptions) (script.Topic, error) {
	if name == "" || len(name) > hub.MaxTopicName {
		return nil, fmt.Errorf("the topic name has %d bytes; it must have 1 to %d", len(name), hub.MaxTopicName)
	}
	if t := g.findTopic(name); t != nil && t.Name() == name {
		if t.Options() != o { // it must not become open, or closed, without the knowledge of the script that made it
			return nil, fmt.Errorf("topic %q exists already, with protection %q", name, t.Options().Protection)
		}
		return t, nil
	}
	if err := g.manager.hub.CheckTopics(len(g.topics)); err != nil {
		return nil, err
	}
	t := g.manager.hub.NewTopic(name, o, g.do)
	if g.phase == loading {
		g.topics = append(g.topics, t)
		return t, nil
	}
	g.manager.hub.AddTopic(t)
	return t, nil
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
	for _, t := range g.topics {
		if t.Name() == nameOrUUID || t.UUID() == nameOrUUID {
			return t
		}
	}
	return g.manager.hub.FindTopic(nameOrUUID)
}

func (g *generation) Topics() []script.Topic {
	list := append(g.manager.hub.Topics(), g.topics...)
	slices.SortStableFunc(list, func(a, b *hub.Topic) int { return cmp.Compare(a.Name(), b.Name()) })
	return hub.TopicList(list)
}
