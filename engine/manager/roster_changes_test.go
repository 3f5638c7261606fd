package manager

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/broker"
	"perigee/engine/config"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// rosterMode returns options with a mode of the roster.
func rosterMode(mode string) Options {
	o := defaults()
	o.Roster.Mode = mode
	return o
}

// hideSome is a roster hook that shows connections unless their type is hidden.
func hideSome(c script.Client) ([]byte, error) {
	if c.Type() == "hidden" {
		return nil, nil
	}
	return wire.AppendString(nil, c.Type()), nil
}

// arrive opens a connection, and returns it with the frames that it has been sent after an interval.
func (tm *testManager) arrive() (s *socket, c *hub.Connection, heard []frame) {
	tm.Helper()
	s = tm.newSocket()
	tm.m.Open(s)
	tm.interval()
	tm.turn(func() { c = tm.m.hub.ByConn(s) })
	return s, c, s.take()
}

// interval waits for an interval of the roster.
func (tm *testManager) interval() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// told fails the test unless the frames are those given, each a name and a part of the frame.
func (tm *testManager) told(why string, got []frame, want ...[2]string) {
	tm.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		ok = got[i].name() == want[i][0] && strings.Contains(string(got[i]), want[i][1])
	}
	if !ok {
		tm.Errorf("%s: heard %s, want %s", why, got, want)
	}
}

// In the mode changes a new connection is sent the whole roster, and the others what has changed: entries, and the UUIDs of those
// that are gone.
func TestRosterChanges(t *testing.T) {
	inBubble(t, rosterMode(config.RosterChanges), func(tm *testManager) { tm.app.roster = hideSome }, func(tm *testManager) {
		a, ca, heard := tm.arrive()
		tm.told("the first connection", heard, [2]string{"UpdateConnections", fmt.Sprintf(`"connections":{%q:"anonymous"}`, ca.UUID())})
		b, cb, heard := tm.arrive()
		tm.told("a new connection", heard, [2]string{"UpdateConnections", fmt.Sprintf(`{%q:"anonymous",%q:"anonymous"}`, ca.UUID(), cb.UUID())})
		tm.told("the other", a.take(), [2]string{"ConnectionChanged", fmt.Sprintf(`"connections":{%q:"anonymous"}`, cb.UUID())})

		tm.turn(func() { ca.SetType("player") })
		tm.interval()
		changed := [2]string{"ConnectionChanged", fmt.Sprintf(`{%q:"player"}`, ca.UUID())}
		tm.told("a change", a.take(), changed)
		tm.told("a change", b.take(), changed)
		tm.turn(func() {
			ca.SetType("hidden")
			ca.SetType("player")
			cb.SetName("unseen")
		})
		tm.interval()
		a.hears(tm, "a change that no entry shows")
		tm.turn(func() {
			ca.SetType("hidden")
			cb.SetType("winner")
		})
		tm.interval()
		tm.told("one is hidden", b.take(), [2]string{"ConnectionChanged", fmt.Sprintf(`{%q:"winner"}`, cb.UUID())},
			[2]string{"ConnectionGone", fmt.Sprintf(`"connections":[%q]`, ca.UUID())})

		tm.m.Closed(a, wire.CloseNormal(""), broker.EndForGood)
		tm.turn(func() { cb.SetType("loser") }) // the interval begins
		b.hears(tm, "a change", "ConnectionChanged")
		c := tm.newSocket()
		tm.m.Open(c)
		tm.m.Closed(c, wire.CloseNormal(""), broker.EndForGood)
		tm.interval()
		b.hears(tm, "those left that were hidden, or never seen")
		d, _, _ := tm.arrive()
		b.take()
		tm.m.Closed(b, wire.CloseNormal(""), broker.EndForGood)
		tm.interval()
		tm.told("one has left", d.take(), [2]string{"ConnectionGone", fmt.Sprintf(`[%q]`, cb.UUID())})
	})
}

// A roster hook that shows nobody sends nothing, in every mode, until it shows somebody; then all clients get the roster.
func TestRosterOfNobody(t *testing.T) {
	for _, mode := range []string{config.RosterFull, config.RosterChanges} {
		t.Run(mode, func(t *testing.T) {
			nobody := func(script.Client) ([]byte, error) { return nil, nil }
			inBubble(t, rosterMode(mode), func(tm *testManager) { tm.app.roster = nobody }, func(tm *testManager) {
				a, ca, heard := tm.arrive()
				tm.told("the first connection", heard)
				b, _, heard := tm.arrive()
				tm.told("the second connection", heard)
				a.hears(tm, "another has come")
				tm.app.roster = hideSome
				tm.turn(func() { ca.SetType("player") })
				tm.interval()
				for _, s := range []*socket{a, b} {
					tm.told("one is visible", s.take(), [2]string{"UpdateConnections", "player"})
				}
				tm.turn(func() { ca.SetType("hidden") })
				tm.interval()
				if heard := b.take(); len(heard) != 1 || strings.Contains(string(heard[0]), "player") {
					tm.Errorf("nobody is visible again: heard %s, want one frame that says so", heard)
				}
			})
		})
	}
}

// Without a roster its hook does not run. A change of the setting begins anew: everybody is sent the whole roster.
func TestRosterModes(t *testing.T) {
	inBubble(t, rosterMode(config.RosterOff), nil, func(tm *testManager) {
		a, ca, heard := tm.arrive()
		tm.told("off", heard)
		tm.turn(func() {
			ca.SetName("Ann")
			tm.h.Roster()
		})
		tm.reload(func(script.Host) {})
		tm.interval()
		a.hears(tm, "off")
		if tm.app.rows != 0 {
			tm.Errorf("off: the hook has run %d times, want 0", tm.app.rows)
		}
		for _, tt := range []struct{ mode, news string }{
			{config.RosterChanges, "ConnectionChanged"},
			{config.RosterFull, "UpdateConnections"},
			{config.RosterChanges, "ConnectionChanged"},
			{config.RosterOff, ""},
			{config.RosterFull, "UpdateConnections"},
		} {
			tm.m.Configure(rosterMode(tt.mode))
			tm.interval()
			tm.interval()
			whole := a.take()
			tm.turn(func() { ca.SetName(ca.Name() + "a") })
			tm.interval()
			if tt.mode == config.RosterOff {
				tm.told(tt.mode, append(whole, a.take()...))
				continue
			}
			tm.told(tt.mode+" has begun", whole, [2]string{"UpdateConnections", ca.UUID()})
			tm.told(tt.mode, a.take(), [2]string{tt.news, ca.Name()})
		}
	})
}

// Newcomers get the whole roster as fast as the setting allows, in the order in which they came, and none twice. Changes that cost
// more than it allows are combined.
func TestRosterChangesAtLimit(t *testing.T) {
	o := rosterMode(config.RosterChanges)
	o.Roster.BytesPerSecond = 20 * config.KiB // 2 KiB an interval, and 4 KiB for changes
	inBubble(t, o, nil, func(tm *testManager) {
		tm.app.roster = func(c script.Client) ([]byte, error) {
			return wire.AppendString(nil, strings.Repeat("x", 100)+c.Name()), nil
		}
		first, c, _ := tm.arrive()
		for range 20 {
			tm.m.Open(tm.newSocket())
		}
		var served []uint64
		for range 100 {
			tm.interval()
			for _, s := range tm.clients.sockets[1:] {
				for _, f := range s.take() {
					if f.name() == "UpdateConnections" {
						served = append(served, s.id)
					}
				}
			}
		}
		if len(served) != 20 || !slices.IsSorted(served) {
			tm.Errorf("served %v, want each of 20 once, in order", served)
		}
		first.take()
		// A change has about 240 bytes for each of 21 connections, which is more than 4 KiB.
		changes := 0
		for i := range 100 {
			tm.turn(func() { c.SetName(fmt.Sprint(i)) })
			tm.interval()
			changes += len(first.take())
		}
		if changes < 75 || changes > 90 {
			tm.Errorf("100 changes came in %d frames, want about 83: as many as 4 KiB an interval allow", changes)
		}
		tm.interval()
		tm.interval()
		tm.told("the last", first.take())
	})
}

// A client that comes back is sent the changes that it missed. One whose page was loaded anew is sent the whole roster again, the
// listed topics, and its subscriptions with their history, after what the resume hook sends.
func TestPageLoadedAnew(t *testing.T) {
	inBubble(t, rosterMode(config.RosterChanges), func(tm *testManager) { tm.app.roster = hideSome }, func(tm *testManager) {
		s, c, token := tm.openResumable()
		tm.turn(func() {
			news, err := tm.h.Register("news", script.TopicOptions{Listed: new(true), History: new(2)})
			tm.must(err)
			tm.must(news.Subscribe(c))
			tm.must(tm.h.Publish(news, "Said", nil))
		})
		tm.quiet()
		s.take()
		rename := func(to string) {
			tm.turn(func() { c.SetType(to) })
			tm.interval()
		}
		tm.lose(s, broker.EndLost)
		rename("missed")
		s = tm.back(token, 3)
		tm.interval()
		heard := s.take()
		tm.told("back", heard, [2]string{"ConnectionResumed", ""}, [2]string{"ConnectionChanged", "missed"})
		token, _ = heard[0].fields()["token"].(string)
		rename("seen")
		tm.told("after the return", s.take(), [2]string{"ConnectionChanged", "seen"})

		tm.app.resume = func(c script.Client, _ bool) error { return tm.send(c, "Welcome", nil) }
		tm.lose(s, broker.EndLeft)
		s = tm.back(token, -1)
		tm.interval()
		tm.told("anew", s.take(), [2]string{"ConnectionResumed", ""}, [2]string{"Welcome", ""}, [2]string{"UpdateTopics", "news"},
			[2]string{"UpdateSubscriptions", "news"}, [2]string{"Said", ""}, [2]string{"UpdateConnections", "seen"})
		rename("changed")
		tm.told("after that", s.take(), [2]string{"ConnectionChanged", "changed"})
	})
}
