package manager

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"perigee/engine/broker"
	"perigee/engine/handshake"
	"perigee/engine/manager/hub"
	"perigee/engine/script"
	"perigee/engine/wire"
)

// requestFor returns a request for a path.
func requestFor(path string) *handshake.Request {
	return handshake.Read(httptest.NewRequest("GET", path, nil), nil, "")
}

// connect has the connect hook decide about a request, and opens its connection.
func (tm *testManager) connect(r *handshake.Request, resume broker.ResumeRequest) *socket {
	tm.Helper()
	s := tm.newSocket()
	s.http, s.request = r, resume
	if refusal := tm.m.Connect(tm.Context(), r, s.Peer()); refusal != nil {
		tm.Fatalf("Connect = %v, want no refusal", refusal)
	}
	tm.m.Open(s)
	synctest.Wait()
	return s
}

// The fields that the connect hook sets are those of the connection when it opens, also if the scripts have been replaced since.
// Before, nobody finds it.
func TestConnect(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		hook := func(r *handshake.Request, c script.Client) (*handshake.Refusal, error) {
			c.SetUser(strings.TrimPrefix(r.Path(), "/"))
			*c.Slot() = "of the scripts that ran"
			return nil, c.SetAttribute("seat", wire.Raw("7"))
		}
		if tm.m.WantsConnect() {
			tm.Error("WantsConnect = true, want false without a hook")
		}
		tm.app.connect = hook
		s, r := tm.newSocket(), requestFor("/ann")
		s.http = r
		if refusal := tm.m.Connect(tm.Context(), r, s.Peer()); refusal != nil || !tm.m.WantsConnect() {
			tm.Fatalf("Connect = %v, want no refusal", refusal)
		}
		tm.turn(func() {
			if len(tm.h.Connections())+len(tm.h.Users()) > 0 {
				tm.Errorf("before the upgrade there are %d connections, %v", len(tm.h.Connections()), tm.h.Users())
			}
		})
		tm.app = &application{open: func(c script.Client) error {
			if c.User() != "ann" || c.Attribute("seat") == nil || *c.Slot() != nil || c.Request() != r {
				tm.Errorf("open hook: user %q, seat %v, slot %v, want what the connect hook has set, and no object of other scripts",
					c.User(), c.Attribute("seat"), *c.Slot())
			}
			return nil
		}}
		tm.install(nil)
		tm.m.Open(s)
		synctest.Wait()
		tm.turn(func() {
			if found := tm.h.UserConnections("ann"); len(found) != 1 || found[0] != script.Client(tm.m.hub.ByConn(s)) || r.Admission != nil {
				tm.Errorf("ann has %v, want the connection", found)
			}
		})
	})
}

// A hook that fails is logged, and refuses with a reference. One that waits longer than its context is answered at once, and what it
// decides later changes nothing.
func TestConnectFails(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.app.connect = func(r *handshake.Request, c script.Client) (*handshake.Refusal, error) {
			switch r.Path() {
			case "/error":
				return nil, errors.New("broken")
			case "/late":
				return nil, tm.loop.Await(func(wake func()) { time.AfterFunc(time.Hour, wake) })
			}
			return &handshake.Refusal{Status: 401, Reason: "sign in"}, nil
		}
		s := tm.newSocket()
		refused := func(ctx context.Context, path string, want int) {
			refusal := tm.m.Connect(ctx, requestFor(path), s.Peer())
			if refusal == nil || refusal.Status != want || strings.Contains(refusal.Reason, "broken") {
				tm.Errorf("%s: Connect = %v, want the status %d, and no text of the error", path, refusal, want)
			}
		}
		refused(tm.Context(), "/error", 500)
		refused(tm.Context(), "/refused", 401)
		ctx, cancel := context.WithTimeout(tm.Context(), time.Second)
		defer cancel()
		refused(ctx, "/late", 503)
		contains(tm, "log", tm.log.String(), `turn=connect generation=1`)
		time.Sleep(2 * time.Hour)
		tm.turn(func() {
			if len(tm.h.Connections()) > 0 {
				tm.Errorf("there are %d connections, want none", len(tm.h.Connections()))
			}
		})
	})
}

// A client comes back to its connection only as the user that the connect hook has named for it. What scripts have set since is kept.
func TestConnectOfResumed(t *testing.T) {
	inBubble(t, defaults(), nil, func(tm *testManager) {
		tm.app.connect = func(r *handshake.Request, c script.Client) (*handshake.Refusal, error) {
			c.SetUser(strings.TrimPrefix(r.Path(), "/"))
			return nil, nil
		}
		of := func(s *socket) (c *hub.Connection) {
			tm.turn(func() { c = tm.m.hub.ByConn(s) })
			return c
		}
		first := tm.connect(requestFor("/ann"), broker.ResumeRequest{Resumable: true, Origin: origin})
		c := of(first)
		tm.turn(func() { c.SetName("Ann") })
		token := tokenOf(tm, first, "ConnectionResumable")
		tm.lose(first, broker.EndLost)
		back := tm.connect(requestFor("/ann"), broker.ResumeRequest{Resumable: true, Origin: origin, Token: token, Received: 1})
		if of(back) != c || c.Name() != "Ann" || back.http.Admission != nil {
			tm.Errorf("ann came back to %v, want her connection as it was", of(back))
		}
		token = tokenOf(tm, back, "ConnectionResumed")
		tm.lose(back, broker.EndLost)
		other := tm.connect(requestFor("/bob"), broker.ResumeRequest{Resumable: true, Origin: origin, Token: token, Received: 1})
		if got := of(other); got == c || got.User() != "bob" {
			tm.Errorf("bob came back to %v, want a connection of his own", got)
		}
	})
}

// After a restart, too, a client comes back only as the user that the connect hook named before, and the fields that the hook returned
// are known. The right of an admin ends with the server, so that the hook has said nothing about it.
func TestConnectAfterRestart(t *testing.T) {
	hook := func(r *handshake.Request, c script.Client) (*handshake.Refusal, error) {
		c.SetUser(strings.TrimPrefix(r.Path(), "/"))
		c.SetAdmin(true)
		c.SetFromConnect([]string{"admin", "name", "user"})
		return nil, nil
	}
	for path, want := range map[string]bool{"/ann": true, "/bob": false} {
		var text bytes.Buffer
		var token, uuid string
		synctest.Test(t, func(t *testing.T) {
			tm := newTestManager(t, defaults())
			tm.install(nil)
			tm.app.connect = hook
			s := tm.connect(requestFor("/ann"), broker.ResumeRequest{Resumable: true, Received: -1, Origin: origin})
			token = tokenOf(tm, s, "ConnectionResumable")
			tm.turn(func() { uuid = tm.m.hub.ByConn(s).UUID() })
			tm.m.BeginStop(true)
			tm.lose(s, broker.EndLost)
			tm.halt()
			tm.must(tm.m.SaveConnections(&text))
		})
		inBubble(t, defaults(), nil, func(tm *testManager) {
			tm.app.connect = hook
			_, err := tm.restart(text.String())
			tm.must(err)
			s := tm.connect(requestFor(path), broker.ResumeRequest{Resumable: true, Origin: origin, Token: token})
			tm.turn(func() {
				if c := tm.m.hub.ByConn(s); (c.UUID() == uuid) != want || c.User() != strings.TrimPrefix(path, "/") {
					tm.Errorf("%s comes back to %s as %q, its own is %s", path, c.UUID(), c.User(), uuid)
				} else if !c.FromConnect("name") || c.FromConnect("email") || c.FromConnect("admin") != c.Admin() || c.Admin() == want {
					tm.Errorf("%s comes back with the name from connect %t, admin %t, from connect %t", path, c.FromConnect("name"), c.Admin(), c.FromConnect("admin"))
				}
			})
		})
	}
}
