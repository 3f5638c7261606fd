package manager

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/auth"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// tries sends passwords at once, and returns for each whether it was right and how long the answer took, in order.
func (tm *testManager) tries(c *hub.Connection, passwords ...string) (answers []string) {
	tm.Helper()
	answers = make([]string, len(passwords))
	tm.turn(func() {
		began := time.Now()
		for i, password := range passwords {
			c.Authenticate(password, func(ok bool) {
				pause := "late"
				switch d := time.Since(began); {
				case d == 0:
					pause = "at once"
				case d < 250*time.Millisecond || d > 500*time.Millisecond:
					pause = d.String()
				}
				answers[i] = fmt.Sprint(ok, " ", pause)
			})
		}
	})
	time.Sleep(time.Second)
	synctest.Wait()
	return answers
}

// The right password makes the client an admin at once. A wrong one is answered after a pause, and changes nothing.
func TestAuthenticate(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		s, c := tm.open()
		for range 3 {
			got := tm.tries(c, "wrong", goodKey[:8], "", goodKey+"x")
			if want := "false late,false late,false late,false late"; strings.Join(got, ",") != want || c.Admin() {
				tm.Fatalf("wrong passwords: %q, admin %v, want %s and no admin", got, c.Admin(), want)
			}
			time.Sleep(time.Minute)
			if got := tm.tries(c, goodKey); got[0] != "true at once" || !c.Admin() {
				tm.Fatalf("right password: %q, admin %v, want at once and an admin", got, c.Admin())
			}
			tm.turn(func() { c.SetAdmin(false) })
		}
		if len(s.ends()) != 0 {
			tm.Errorf("closed with %v, want open: a right password forgives wrong ones", s.ends())
		}
		if log := tm.log.String(); strings.Contains(log, "wrong") || !strings.Contains(log, "192.0.2.7") {
			tm.Errorf("log = %s, want the address and no password", log)
		}
	})
}

// The fifth wrong password of a connection closes it, after its answer; later ones are not compared.
func TestAuthenticateClosesConnection(t *testing.T) {
	inBubble(t, defaults(), func(tm *testManager) {
		register(tm, tm.h, script.Message{Name: "Authenticate", Handle: func(script.Client, script.Incoming) error { return nil }})
	}, func(tm *testManager) {
		s, c := tm.open()
		tm.quiet()
		tm.turn(func() {
			for i := range 5 {
				c.Authenticate("wrong", func(bool) {
					if i == 4 && !c.Open() {
						tm.Error("the fifth is answered after the close, want before")
					}
					tm.must(c.Prompt(nil, ""))
				})
			}
			c.Authenticate(goodKey, func(ok bool) {
				if ok {
					tm.Error("right password after 5 wrong ones: true, want false")
				}
			})
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if len(s.ends()) != 1 || s.ends()[0] != wire.CloseTooManyFailures() {
			tm.Errorf("closed with %v, want once with %v", s.ends(), wire.CloseTooManyFailures())
		}
		if len(s.take()) == 0 {
			tm.Error("heard nothing, want the answer to the fifth before the close")
		}
		if got := tm.tries(c, goodKey); got[0] != "false at once" {
			tm.Errorf("on a closed connection: %q, want false at once", got)
		}
	})
}

// After ten failures of an address in a minute, its passwords are answered as before but not compared; those of others are.
func TestAuthenticateThrottle(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		for range 3 {
			_, c := tm.open()
			tm.tries(c, "a", "b", "c", "d")
		}
		_, c := tm.open()
		if got := tm.tries(c, goodKey); got[0] != "false late" {
			tm.Errorf("right password from a throttled address: %q, want false late", got)
		}
		stranger, other := tm.open()
		stranger.peer.Addr = netip.MustParseAddr("198.51.100.1")
		if got := tm.tries(other, goodKey); got[0] != "true at once" {
			tm.Errorf("right password from another address: %q, want true at once", got)
		}
		time.Sleep(2 * time.Minute)
		if got := tm.tries(c, goodKey); got[0] != "true at once" {
			tm.Errorf("right password two minutes later: %q, want true at once", got)
		}
	})
}

// Wrong passwords of clients lock out neither programs at the same address nor clients on this machine.
func TestCheckPassword(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		s, c := tm.open()
		tm.tries(c, "a", "b", "c", "d")
		for range 2 {
			_, c := tm.open()
			tm.tries(c, "a", "b", "c", "d")
		}
		if got := tm.tries(c, goodKey); got[0] != "false late" {
			tm.Errorf("right password from a throttled address: %q, want false late", got)
		}
		if _, ok := tm.m.CheckPassword(s.peer, goodKey); !ok {
			tm.Error("CheckPassword(right password) after the wrong ones of clients = false, want true")
		}
		for range 12 {
			tm.m.CheckPassword(s.peer, "wrong")
		}
		if _, ok := tm.m.CheckPassword(s.peer, goodKey); ok {
			tm.Error("CheckPassword(right password) after 12 wrong ones = true, want false")
		}
		s.peer.Direct = true
		if _, ok := tm.m.CheckPassword(s.peer, goodKey); !ok {
			tm.Error("CheckPassword(right password) of a direct peer after 12 wrong ones = false, want true")
		}
	})
}

// A default key is accepted from direct peers only.
func TestAuthenticateDefaultKey(t *testing.T) {
	o := defaults()
	o.Key = auth.NewKey("password")
	inBubble(t, o, nil, func(tm *testManager) {
		s, c := tm.open()
		if got := tm.tries(c, "password"); got[0] != "false late" || c.Admin() {
			tm.Errorf("default key through a proxy: %q, want false late", got)
		}
		s.peer.Direct = true
		if got := tm.tries(c, "password"); got[0] != "true at once" || !c.Admin() {
			tm.Errorf("default key of a direct peer: %q, want true at once", got)
		}
	})
}

// The key of a program allows its commands and nothing else, also if the admin key is weak. It makes no admin of a client.
func TestProgramKeys(t *testing.T) {
	o := defaults()
	o.Key = auth.NewKey("password")
	o.ProgramKeys = []auth.ProgramKey{
		{Name: "shop", Key: auth.NewKey("the key of the shop"), Commands: []string{"OrderPaid"}},
		{Name: "bank", Key: auth.NewKey("the key of the bank"), Commands: []string{"Settled", "OrderPaid"}},
	}
	inBubble(t, o, nil, func(tm *testManager) {
		stranger := auth.Peer{Addr: netip.MustParseAddr("192.0.2.7")}
		for _, row := range []struct{ password, runs string }{
			{"the key of the shop", "OrderPaid"},
			{"the key of the bank", "Settled OrderPaid"},
			{"password", ""},
			{"the key of", ""},
		} {
			grant, ok := tm.m.CheckPassword(stranger, row.password)
			var runs []string
			for _, command := range []string{"Settled", "OrderPaid", "StopServer", ""} {
				if grant.Runs(command) {
					runs = append(runs, command)
				}
			}
			if got := strings.Join(runs, " "); got != row.runs || ok != (row.runs != "") || grant.Admin() {
				t.Errorf("CheckPassword(%q) = %t, commands %q, admin %t, want %q and no admin", row.password, ok, got, grant.Admin(), row.runs)
			}
		}
		tm.m.Configure(defaults())
		if _, ok := tm.m.CheckPassword(stranger, "the key of the shop"); ok {
			t.Error("CheckPassword after the key was removed = true, want false")
		}
	})
}
