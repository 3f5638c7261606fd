package manager

import (
	"cmp"
	"fmt"
	"slices"

	"perigee/engine/manager/hub"
	"perigee/engine/script"
)

// registerTopic returns the topic of that name, and makes it where there is none; while scripts load, the others hear of it
// at the swap. One that has other options is an error: it must not become open, or closed, behind the back of whoever made it.
func (g *generation) registerTopic(name string, o script.TopicOptions) (*hub.Topic, error) {
	if name == "" || len(name) > hub.MaxTopicName {
		return nil, fmt.Errorf("manager: register topic: the name has %d bytes; 1 to %d may be", len(name), hub.MaxTopicName)
	}
	if t := g.findTopic(name); t != nil && t.Name() == name {
		if t.Options() != o {
			return nil, fmt.Errorf("manager: register topic: %q is there already, with protection %q", name, t.Options().Protection)
		}
		return t, nil
	}
	t := g.manager.hub.NewTopic(name, o, g.do)
	if g.phase == loading {
		g.topics = append(g.topics, t)
		return t, nil
	}
	g.manager.hub.AddTopic(t)
	return t, nil
}

// findTopic returns nil where these scripts see no such topic.
func (g *generation) findTopic(nameOrUUID string) *hub.Topic {
	for _, t := range g.topics {
		if t.Name() == nameOrUUID || t.UUID() == nameOrUUID {
			return t
		}
	}
	return g.manager.hub.FindTopic(nameOrUUID)
}

// allTopics are those that these scripts see, sorted by name.
func (g *generation) allTopics() []*hub.Topic {
	list := append(g.manager.hub.Topics(), g.topics...)
	slices.SortStableFunc(list, func(a, b *hub.Topic) int { return cmp.Compare(a.Name(), b.Name()) })
	return list
}
