package manager

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/config"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// A single change is sent when the scripts ask for it within the turn, else at its end.
func TestRosterOfLoneChange(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(
			tm, tm.h,
			script.Message{Name: "Join", Protection: auth.None, Handle: func(c script.Client, _ script.Incoming) error {
				c.SetType("player")
				return tm.send(c, "ConnectionRegistered", nil)
			}},
			script.Message{Name: "Win", Protection: auth.None, Handle: func(c script.Client, _ script.Incoming) error {
				c.SetType("winner")
				tm.h.Roster()
				return tm.send(c, "AwardWinner", nil)
			}},
			script.Message{Name: "Same", Protection: auth.None, Handle: func(c script.Client, _ script.Incoming) error {
				c.SetType("winner")
				tm.must(c.SetAttribute("score", wire.Raw("1")))
				tm.h.Roster()
				return nil
			}},
		)
	}, func(tm *testManager) {
		tm.app.open = func(c script.Client) error {
			tm.must(tm.send(c, "ConnectionEstablished", nil))
			tm.h.Roster()
			return tm.send(c, "UpdatePrizes", nil)
		}
		s := tm.newSocket()
		tm.m.Open(s)
		synctest.Wait()
		s.hears(tm, "open", "ConnectionEstablished", "UpdateConnections", "UpdatePrizes")
		for _, row := range []struct {
			name string
			want []string
		}{
			{"Join", []string{"ConnectionRegistered", "UpdateConnections"}},
			{"Win", []string{"UpdateConnections", "AwardWinner"}},
			{"Same", []string{"UpdateConnections"}},
			{"Same", nil},
		} {
			tm.quiet()
			tm.say(s, fmt.Sprintf(`{"name":%q}`, row.name))
			s.hears(tm, row.name, row.want...)
		}
	})
}

// Changes within an interval are sent together; a new connection that is not sent the roster at once gets the next one.
func TestRosterGathers(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		a, c := tm.open()
		b := tm.newSocket()
		tm.m.Open(b)
		for i := range 20 {
			tm.turn(func() { c.SetName(fmt.Sprint("name ", i)) })
		}
		synctest.Wait()
		a.hears(tm, "within the interval")
		b.hears(tm, "within the interval")
		time.Sleep(99 * time.Millisecond)
		synctest.Wait()
		a.hears(tm, "just before its end")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if a.rosters() != 1 || b.rosters() != 1 {
			tm.Errorf("SendLatest was called %d and %d times, want once each", a.rosters(), b.rosters())
		}
		heard := a.take()
		if len(heard) != 1 || heard[0].name() != "UpdateConnections" {
			tm.Fatalf("when the interval is over: heard %s, want one roster", heard)
		}
		roster, _ := heard[0].fields()["connections"].(map[string]any)
		row, _ := roster[c.UUID()].(map[string]any)
		if len(roster) != 2 || row["name"] != "name 19" || row["uuid"] != c.UUID() {
			tm.Errorf("roster = %v, want both connections by UUID, with the last name", roster)
		}
		b.hears(tm, "the interval is over", "UpdateConnections")
		if tm.app.rows != 3 {
			tm.Errorf("rows were made %d times, want 3: one for each connection and one for what changed", tm.app.rows)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		a.hears(tm, "without a change")
	})
}

// Notifications and subscriptions do not cause a roster; it contains them when it is sent for another reason.
func TestRosterLeavesSmallChanges(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		s, c := tm.open()
		tm.quiet()
		s.take()
		tm.turn(func() { c.Notify("somebody") })
		time.Sleep(time.Second)
		s.hears(tm, "after a notification")
		tm.turn(func() { c.SetName("a") })
		heard := s.take()
		if len(heard) != 1 {
			tm.Fatalf("after a change: heard %s, want one roster", heard)
		}
		contains(tm, "roster", string(heard[0]), `"somebody"`)
	})
}

// A change of a turn that waits is sent without waiting for its end.
func TestRosterWhileTurnWaits(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		s, c := tm.open()
		tm.quiet()
		_ = tm.m.loop.Post("wait", func() {
			c.SetName("early")
			if err := tm.loop.Await(func(wake func()) { time.AfterFunc(time.Hour, wake) }); err != nil {
				tm.Errorf("Await = %v, want nil", err)
			}
		})
		synctest.Wait()
		s.hears(tm, "while the turn waits", "UpdateConnections")
		time.Sleep(2 * time.Hour)
	})
}

// The scripts make the roster entries: nil hides a connection, an entry that fails stays as it is, and a change that an entry
// does not show sends nothing.
func TestRosterRows(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.app.roster = func(c script.Client) ([]byte, error) {
			switch c.Name() {
			case "hidden":
				return nil, nil
			case "broken":
				return nil, errors.New("broken row")
			}
			return wire.AppendString(nil, c.Type()), nil
		}
		s, c := tm.open()
		tm.quiet()
		for _, row := range []struct {
			name, kind, want string
		}{
			{"", "player", fmt.Sprintf(`"connections":{%q:"player"}`, c.UUID())},
			{"unseen", "player", ""},
			{"broken", "winner", ""},
			{"fine", "winner", fmt.Sprintf(`"connections":{%q:"winner"}`, c.UUID())},
			{"hidden", "winner", `"connections":{}`},
			{"hidden", "loser", ""},
		} {
			tm.turn(func() {
				c.SetName(row.name)
				c.SetType(row.kind)
			})
			heard := s.take()
			if row.want == "" && len(heard) > 0 || row.want != "" && (len(heard) != 1 || !strings.Contains(string(heard[0]), row.want)) {
				tm.Errorf("name %s, type %s: heard %q, want %s", row.name, row.kind, heard, row.want)
			}
			tm.quiet()
		}
		if n := strings.Count(tm.log.String(), "broken row"); n != 1 {
			tm.Errorf("log has %d lines about the broken row, want 1:\n%s", n, tm.log)
		}
		late, _ := tm.open()
		time.Sleep(time.Second)
		synctest.Wait()
		s.hears(tm, "another comes", "UpdateConnections")
		late.hears(tm, "the one that came")
		tm.turn(func() { c.SetName("hidden") })
		hidden := tm.newSocket()
		tm.app.roster = func(script.Client) ([]byte, error) { return nil, nil }
		tm.m.Open(hidden)
		time.Sleep(time.Second)
		synctest.Wait()
		hidden.hears(tm, "one that nobody sees comes", "UpdateConnections")
		s.hears(tm, "one that nobody sees comes")
	})
}

// A roster hook that changes the client is called once an interval, not forever.
func TestRosterHookThatChanges(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.app.roster = func(c script.Client) ([]byte, error) {
			tm.must(c.SetAttribute("seen", wire.Raw("1")))
			return c.AppendJSON(nil)
		}
		tm.open()
		tm.turn(func() { tm.app.rows = 0 })
		time.Sleep(time.Second)
		synctest.Wait()
		if tm.app.rows < 9 || tm.app.rows > 11 {
			tm.Errorf("rows made in a second: %d, want 10", tm.app.rows)
		}
	})
}

// A roster that exceeds the budget of an interval goes to some connections in each: first to those that have none, then in turn,
// always in the newest version.
func TestRosterSlices(t *testing.T) {
	o := defaults()
	o.Roster.BytesPerSecond = 40 * config.KiB // 4 KiB an interval
	inBubble(t, o, nil, func(tm *testManager) {
		tm.app.roster = func(c script.Client) ([]byte, error) {
			return wire.AppendString(nil, strings.Repeat("x", 100)+c.Name()), nil
		}
		for range 12 {
			tm.m.Open(tm.newSocket())
		}
		var c *hub.Connection
		tm.turn(func() { c = tm.m.hub.All()[0] })
		tm.quiet()
		tm.quiet()
		served := func(after time.Duration) (ids []uint64) {
			time.Sleep(after)
			synctest.Wait()
			for _, s := range tm.clients.sockets {
				if len(s.take()) > 0 {
					ids = append(ids, s.id)
				}
			}
			return ids
		}
		// A roster of 12 has about 1.9 KB, of 13 about 2.1 KB: two and one of them fit.
		tm.turn(func() { c.SetName("a") })
		first := served(50 * time.Millisecond) // in the middle of an interval from here on
		tm.turn(func() { c.SetName("b") })
		late := tm.newSocket()
		tm.m.Open(late)
		all := slices.Clone(first)
		second := served(100 * time.Millisecond)
		all = append(all, second...)
		if len(first) != 2 || len(second) == 0 || second[len(second)-1] != late.id {
			tm.Fatalf("served %v, then with a newcomer %v, want 2, then the newcomer %d among them", first, second, late.id)
		}
		for range 12 {
			all = append(all, served(100*time.Millisecond)...)
		}
		slices.Sort(all)
		if got := slices.Compact(slices.Clone(all)); len(got) != 13 {
			tm.Errorf("served %v, want each of 13 at least once", all)
		}
		if len(all) > 13+len(first) {
			tm.Errorf("served %d frames, want 13 and the %d that had an older state", len(all), len(first))
		}
		for i := range 3 {
			if got := served(100 * time.Millisecond); len(got) != 0 {
				tm.Errorf("interval %d after all have it: served %v, want nobody", i, got)
			}
		}
	})
}
