package manager

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/broker"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// When the window ends, or the connection cannot be resumed, the close hook runs once, and a client that comes back is new.
func TestWindows(t *testing.T) {
	never := defaults()
	never.Resume.Lost, never.Resume.Left = 0, 0
	for _, c := range []struct {
		name    string
		options Options
		end     broker.End
		after   time.Duration
		want    []string
	}{
		{"lost", defaults(), broker.EndLost, 60 * time.Second, []string{wasDropped, wasClosed}},
		{"lost, in time", defaults(), broker.EndLost, 60*time.Second - 1, []string{wasDropped}},
		{"left", defaults(), broker.EndLeft, 5 * time.Second, []string{wasDropped, wasClosed}},
		{"left, in time", defaults(), broker.EndLeft, 5*time.Second - 1, []string{wasDropped}},
		{"closed for good", defaults(), broker.EndForGood, 0, []string{wasClosed}},
		{"never", never, broker.EndLost, 0, []string{wasClosed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.options, nil, func(tm *testManager) {
				s := tm.newSocket()
				s.request = broker.ResumeRequest{Resumable: true, Origin: origin}
				tm.m.Open(s)
				var ran []string
				tm.turn(func() { tm.record(&ran) })
				tm.lose(s, c.end)
				time.Sleep(c.after)
				synctest.Wait()
				tm.haveRun(&ran, strings.Join(c.want, ", "))
				over := c.want[len(c.want)-1] == wasClosed
				if tm.m.Away() == 1 == over || s.isForgotten() != (over && c.end != broker.EndForGood) {
					tm.Errorf("%d away, forgotten %v, over %v", tm.m.Away(), s.isForgotten(), over)
				}
				tm.turn(func() {
					if n := len(tm.m.hub.All()); n == 1 == over {
						tm.Errorf("%d connections, over %v", n, over)
					}
				})
			})
		})
	}
}

// One connection more than resume.away ends the one that has been away for the longest time.
func TestTooManyAway(t *testing.T) {
	o := defaults()
	o.Resume.Away = 2
	inBubble(t, o, nil, func(tm *testManager) {
		var closed []string
		tm.app.closed = func(c script.Client, _ string) error { closed = append(closed, c.Name()); return nil }
		for _, name := range []string{"first", "second", "third"} {
			s, c, _ := tm.openResumable()
			tm.turn(func() { c.SetName(name) })
			tm.lose(s, broker.EndLost)
			time.Sleep(time.Second)
		}
		tm.haveRun(&closed, "first")
		contains(tm, "log", tm.log.String(), "resume.away")
		time.Sleep(time.Minute)
		tm.haveRun(&closed, "first, second, third")
	})
}

// Scripts close those that are away at once, and take their rights. A new key does so, too.
func TestActOnAway(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		var ran []string
		s, c, token := tm.openResumable()
		tm.turn(func() { c.SetAdmin(true) })
		tm.record(&ran)
		tm.lose(s, broker.EndLost)
		o := defaults()
		tm.m.Configure(o)
		tm.turn(func() {
			if !c.Admin() {
				tm.Error("the same key takes the right of an admin")
			}
		})
		o.Key = auth.NewKey("another, longer key")
		tm.m.Configure(o)
		tm.turn(func() {
			if c.Admin() {
				tm.Error("an admin keeps its right although the key has changed")
			}
			tm.must(tm.h.Close(c, 0, "enough"))
		})
		tm.haveRun(&ran, wasDropped+", "+wasClosed)
		if len(s.ends()) > 0 || !s.isForgotten() || tm.m.Away() != 0 {
			tm.Errorf("closed %v, forgotten %v, %d away, want only forgotten", s.ends(), s.isForgotten(), tm.m.Away())
		}
		tokenOf(tm, tm.back(token, 0), "ConnectionResumable")
	})
}

// New scripts run the hooks of those that were away when they were installed, and have their fields.
func TestReloadWhileAway(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		var ran []string
		s, c, token := tm.openResumable()
		tm.turn(func() { tm.must(c.SetAttribute("a", wire.Raw(`1`))) })
		tm.lose(s, broker.EndLost)
		tm.app = &application{adopt: adoptPartly}
		tm.record(&ran)
		tm.install(nil)
		tm.back(token, 0)
		tm.haveRun(&ran, wasResumed)
		if got := fmt.Sprintf("%s", c.Attribute("a")); got != "adopted 1" {
			tm.Errorf("the field is %s, want it converted", got)
		}
	})
}

// A server that stops closes those that are away, unless it keeps them for the next one: then nothing ends any more.
func TestBeginStop(t *testing.T) {
	for _, keep := range []bool{false, true} {
		inBubble(t, defaults(), nil, func(tm *testManager) {
			var ran []string
			away, _, _ := tm.openResumable()
			tm.lose(away, broker.EndLost)
			present, _, _ := tm.openResumable()
			plain, _ := tm.open()
			tm.record(&ran)
			tm.m.BeginStop(keep)
			for _, s := range []*socket{present, plain} {
				tm.lose(s, map[bool]broker.End{true: broker.EndLost, false: broker.EndForGood}[s == present])
			}
			time.Sleep(time.Hour)
			want := []string{wasClosed, wasClosed, wasClosed}
			if keep {
				want = []string{wasDropped, wasClosed}
			}
			tm.haveRun(&ran, strings.Join(want, ", "))
			if n := tm.m.Away(); n == 2 != keep {
				tm.Errorf("keep %v: %d are away", keep, n)
			}
		})
	}
}
