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

// tries gives passwords at once and returns for each whether it was right and how long the answer took, in order.
func (r *rig) tries(c *hub.Connection, passwords ...string) (answers []string) {
	r.Helper()
	answers = make([]string, len(passwords))
	r.turn(func() {
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

// The right password makes an admin at once; a wrong one is answered after a pause and changes nothing.
func TestAuthenticate(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		s, c := r.open()
		for range 3 {
			got := r.tries(c, "wrong", goodKey[:8], "", goodKey+"x")
			if want := "false late,false late,false late,false late"; strings.Join(got, ",") != want || c.Admin() {
				r.Fatalf("wrong passwords: %q, admin %v, want %s and no admin", got, c.Admin(), want)
			}
			time.Sleep(time.Minute)
			if got := r.tries(c, goodKey); got[0] != "true at once" || !c.Admin() {
				r.Fatalf("right password: %q, admin %v, want at once and an admin", got, c.Admin())
			}
			r.turn(func() { c.SetAdmin(false) })
		}
		if len(s.ends()) != 0 {
			r.Errorf("closed with %v, want open: a right password forgives wrong ones", s.ends())
		}
		if log := r.log.String(); strings.Contains(log, "wrong") || !strings.Contains(log, "192.0.2.7") {
			r.Errorf("log = %s, want the address and no password", log)
		}
	})
}

// The fifth wrong password of a connection closes it, after its answer; from then on none is compared.
func TestAuthenticateClosesConnection(t *testing.T) {
	inBubble(t, defaults(), func(r *rig) {
		register(r, r.h, script.Message{Name: "Authenticate", Handle: func(script.Client, script.Incoming) error { return nil }})
	}, func(r *rig) {
		s, c := r.open()
		r.quiet()
		r.turn(func() {
			for i := range 5 {
				c.Authenticate("wrong", func(bool) {
					if i == 4 && !c.Open() {
						r.Error("the fifth is answered after the close, want before")
					}
					r.must(c.Prompt(nil))
				})
			}
			c.Authenticate(goodKey, func(ok bool) {
				if ok {
					r.Error("right password after 5 wrong ones: true, want false")
				}
			})
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if len(s.ends()) != 1 || s.ends()[0] != wire.CloseTooManyFailures() {
			r.Errorf("closed with %v, want once with %v", s.ends(), wire.CloseTooManyFailures())
		}
		if len(s.take()) == 0 {
			r.Error("heard nothing, want the answer to the fifth before the close")
		}
		if got := r.tries(c, goodKey); got[0] != "false at once" {
			r.Errorf("on a closed connection: %q, want false at once", got)
		}
	})
}

// An address that failed ten times in a minute is answered as before, but not compared; other addresses are.
func TestAuthenticateThrottle(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		for range 3 {
			_, c := r.open()
			r.tries(c, "a", "b", "c", "d")
		}
		_, c := r.open()
		if got := r.tries(c, goodKey); got[0] != "false late" {
			r.Errorf("right password from a throttled address: %q, want false late", got)
		}
		stranger, other := r.open()
		stranger.peer.Addr = netip.MustParseAddr("198.51.100.1")
		if got := r.tries(other, goodKey); got[0] != "true at once" {
			r.Errorf("right password from another address: %q, want true at once", got)
		}
		time.Sleep(2 * time.Minute)
		if got := r.tries(c, goodKey); got[0] != "true at once" {
			r.Errorf("right password two minutes later: %q, want true at once", got)
		}
	})
}

// Wrong passwords of clients lock no program of the same address out, nor anybody on this machine.
func TestAuthenticateDoors(t *testing.T) {
	inBubble(t, defaults(), nil, func(r *rig) {
		s, c := r.open()
		r.tries(c, "a", "b", "c", "d")
		for range 2 {
			_, c := r.open()
			r.tries(c, "a", "b", "c", "d")
		}
		if got := r.tries(c, goodKey); got[0] != "false late" {
			r.Errorf("right password from a throttled address: %q, want false late", got)
		}
		if !r.m.Admit(s.peer, goodKey) {
			r.Error("Admit(right password) after the wrong ones of clients = false, want true")
		}
		for range 12 {
			r.m.Admit(s.peer, "wrong")
		}
		if r.m.Admit(s.peer, goodKey) {
			r.Error("Admit(right password) after 12 wrong ones = true, want false")
		}
		s.peer.Direct = true
		if !r.m.Admit(s.peer, goodKey) {
			r.Error("Admit(right password) of a direct peer after 12 wrong ones = false, want true")
		}
	})
}

// A default key opens for direct peers only.
func TestAuthenticateDefaultKey(t *testing.T) {
	o := defaults()
	o.Key = auth.NewKey("password")
	inBubble(t, o, nil, func(r *rig) {
		s, c := r.open()
		if got := r.tries(c, "password"); got[0] != "false late" || c.Admin() {
			r.Errorf("default key through a proxy: %q, want false late", got)
		}
		s.peer.Direct = true
		if got := r.tries(c, "password"); got[0] != "true at once" || !c.Admin() {
			r.Errorf("default key of a direct peer: %q, want true at once", got)
		}
	})
}
