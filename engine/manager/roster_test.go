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

// A lone change goes out where the scripts ask for it within the turn, else at its end.
func TestRosterOfLoneChange(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(
			r, r.h,
			script.Message{Name: "Join", Protection: auth.None, Handle: func(c script.Client, _ script.Incoming) error {
				c.SetType("player")
				return r.send(c, "ConnectionRegistered", nil)
			}},
			script.Message{Name: "Win", Protection: auth.None, Handle: func(c script.Client, _ script.Incoming) error {
				c.SetType("winner")
				r.h.Roster()
				return r.send(c, "AwardWinner", nil)
			}},
			script.Message{Name: "Same", Protection: auth.None, Handle: func(c script.Client, _ script.Incoming) error {
				c.SetType("winner")
				r.must(c.SetAttribute("score", wire.Raw("1")))
				r.h.Roster()
				return nil
			}},
		)
	}, func(r *rig) {
		r.app.open = func(c script.Client) error {
			r.must(r.send(c, "ConnectionEstablished", nil))
			r.h.Roster()
			return r.send(c, "UpdatePrizes", nil)
		}
		s := r.newSocket()
		r.m.Open(s)
		synctest.Wait()
		s.hears(r, "open", "ConnectionEstablished", "UpdateConnections", "UpdatePrizes")
		for _, row := range []struct {
			name string
			want []string
		}{
			{"Join", []string{"ConnectionRegistered", "UpdateConnections"}},
			{"Win", []string{"UpdateConnections", "AwardWinner"}},
			{"Same", []string{"UpdateConnections"}},
			{"Same", nil},
		} {
			r.quiet()
			r.say(s, fmt.Sprintf(`{"name":%q}`, row.name))
			s.hears(r, row.name, row.want...)
		}
	})
}

// Changes within an interval are gathered; a newcomer whose roster did not go out at once gets it with the next one.
func TestRosterGathers(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		a, c := r.open()
		b := r.newSocket()
		r.m.Open(b)
		for i := range 20 {
			r.turn(func() { c.SetName(fmt.Sprint("name ", i)) })
		}
		synctest.Wait()
		a.hears(r, "within the interval")
		b.hears(r, "within the interval")
		time.Sleep(99 * time.Millisecond)
		synctest.Wait()
		a.hears(r, "just before its end")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if a.rosters() != 1 || b.rosters() != 1 {
			r.Errorf("SendLatest was called %d and %d times, want once each", a.rosters(), b.rosters())
		}
		heard := a.take()
		if len(heard) != 1 || heard[0].name() != "UpdateConnections" {
			r.Fatalf("when the interval is over: heard %s, want one roster", heard)
		}
		roster, _ := heard[0].fields()["connections"].(map[string]any)
		row, _ := roster[c.UUID()].(map[string]any)
		if len(roster) != 2 || row["name"] != "name 19" || row["uuid"] != c.UUID() {
			r.Errorf("roster = %v, want both connections by UUID, with the last name", roster)
		}
		b.hears(r, "the interval is over", "UpdateConnections")
		if r.app.rows != 3 {
			r.Errorf("rows were made %d times, want 3: one for each connection and one for what changed", r.app.rows)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		a.hears(r, "without a change")
	})
}

// Notifications and subscriptions do not make the roster go out; it has them when it goes out for something else.
func TestRosterLeavesSmallChanges(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		s, c := r.open()
		r.quiet()
		s.take()
		r.turn(func() { c.Notify("somebody") })
		time.Sleep(time.Second)
		s.hears(r, "after a notification")
		r.turn(func() { c.SetName("a") })
		heard := s.take()
		if len(heard) != 1 {
			r.Fatalf("after a change: heard %s, want one roster", heard)
		}
		contains(r, "roster", string(heard[0]), `"somebody"`)
	})
}

// A change that a waiting turn leaves behind goes out without waiting for it.
func TestRosterWhileTurnWaits(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		s, c := r.open()
		r.quiet()
		r.m.post("wait", func() {
			c.SetName("early")
			if err := r.loop.Await(func(wake func()) { time.AfterFunc(time.Hour, wake) }); err != nil {
				r.Errorf("Await = %v, want nil", err)
			}
		})
		synctest.Wait()
		s.hears(r, "while the turn waits", "UpdateConnections")
		time.Sleep(2 * time.Hour)
	})
}

// Others see the row that the scripts make: nil hides a connection, a failing one stays as it was, and a change that does
// not show sends nothing.
func TestRosterRows(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		r.app.roster = func(c script.Client) ([]byte, error) {
			switch c.Name() {
			case "hidden":
				return nil, nil
			case "broken":
				return nil, errors.New("broken row")
			}
			return wire.AppendString(nil, c.Type()), nil
		}
		s, c := r.open()
		r.quiet()
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
			r.turn(func() {
				c.SetName(row.name)
				c.SetType(row.kind)
			})
			heard := s.take()
			if row.want == "" && len(heard) > 0 || row.want != "" && (len(heard) != 1 || !strings.Contains(string(heard[0]), row.want)) {
				r.Errorf("name %s, type %s: heard %q, want %s", row.name, row.kind, heard, row.want)
			}
			r.quiet()
		}
		if n := strings.Count(r.log.String(), "broken row"); n != 1 {
			r.Errorf("log has %d lines about the broken row, want 1:\n%s", n, r.log)
		}
		late, _ := r.open()
		time.Sleep(time.Second)
		synctest.Wait()
		s.hears(r, "another comes", "UpdateConnections")
		late.hears(r, "the one that came")
		r.turn(func() { c.SetName("hidden") })
		hidden := r.newSocket()
		r.app.roster = func(script.Client) ([]byte, error) { return nil, nil }
		r.m.Open(hidden)
		time.Sleep(time.Second)
		synctest.Wait()
		hidden.hears(r, "one that nobody sees comes", "UpdateConnections")
		s.hears(r, "one that nobody sees comes")
	})
}

// A roster hook that changes what it shows is asked once an interval, not for ever.
func TestRosterHookThatChanges(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		r.app.roster = func(c script.Client) ([]byte, error) {
			r.must(c.SetAttribute("seen", wire.Raw("1")))
			return c.AppendJSON(nil)
		}
		r.open()
		r.turn(func() { r.app.rows = 0 })
		time.Sleep(time.Second)
		synctest.Wait()
		if r.app.rows < 9 || r.app.rows > 11 {
			r.Errorf("rows made in a second: %d, want 10", r.app.rows)
		}
	})
}

// A roster above its share goes to some in each interval: first to those who have none, then in turn, and with the
// newest state there is.
func TestRosterSlices(t *testing.T) {
	o := defaults()
	o.Roster.BytesPerSecond = 40 * config.KiB // 4 KiB an interval
	inBubble(t, o, nil, func(r *rig) {
		r.app.roster = func(c script.Client) ([]byte, error) {
			return wire.AppendString(nil, strings.Repeat("x", 100)+c.Name()), nil
		}
		for range 12 {
			r.m.Open(r.newSocket())
		}
		var c *hub.Connection
		r.turn(func() { c = r.m.hub.All()[0] })
		r.quiet()
		r.quiet()
		served := func(after time.Duration) (ids []uint64) {
			time.Sleep(after)
			synctest.Wait()
			for _, s := range r.out.sockets {
				if len(s.take()) > 0 {
					ids = append(ids, s.id)
				}
			}
			return ids
		}
		// A roster of 12 has about 1.9 KB, of 13 about 2.1 KB: two and one of them fit.
		r.turn(func() { c.SetName("a") })
		first := served(50 * time.Millisecond) // in the middle of an interval from here on
		r.turn(func() { c.SetName("b") })
		late := r.newSocket()
		r.m.Open(late)
		all := slices.Clone(first)
		second := served(100 * time.Millisecond)
		all = append(all, second...)
		if len(first) != 2 || len(second) == 0 || second[len(second)-1] != late.id {
			r.Fatalf("served %v, then with a newcomer %v, want 2, then the newcomer %d among them", first, second, late.id)
		}
		for range 12 {
			all = append(all, served(100*time.Millisecond)...)
		}
		slices.Sort(all)
		if got := slices.Compact(slices.Clone(all)); len(got) != 13 {
			r.Errorf("served %v, want each of 13 at least once", all)
		}
		if len(all) > 13+len(first) {
			r.Errorf("served %d frames, want 13 and the %d that had an older state", len(all), len(first))
		}
		for i := range 3 {
			if got := served(100 * time.Millisecond); len(got) != 0 {
				r.Errorf("interval %d after all have it: served %v, want nobody", i, got)
			}
		}
	})
}
