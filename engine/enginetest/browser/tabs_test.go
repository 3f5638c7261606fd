package browser

import (
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// evaluates runs JavaScript in the page.
func (p person) evaluates(what, script string) {
	p.t.Helper()
	p.do(what, chromedp.Evaluate[chromedp.Void](script+"; undefined"))
}

// A duplicated tab, which has a copy of the storage, gets a connection of its own: both work, and neither takes over the other.
func TestDuplicatedTab(t *testing.T) {
	server := echo(t, 0)
	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("the answers", `window.result === "`+exercised+`" && window.uuid`)
	opened := chromedp.WaitNewTarget(alice.ctx, func(*target.Info) bool { return true })
	alice.evaluates("duplicates the tab", `sessionStorage.marked = "copied"; window.open(location.href)`)
	var id target.ID
	select {
	case id = <-opened:
	case <-alice.ctx.Done():
		t.Fatal("no tab has opened")
	}
	ctx, cancel := chromedp.NewContext(alice.ctx, chromedp.WithTargetID(id))
	t.Cleanup(cancel)
	copied := person{t, "the copy", ctx}
	copied.sees("the storage of the first tab", `sessionStorage.marked === "copied"`)
	copied.sees("a connection of its own", `window.uuid && states.find(({ state }) => state === "open").complete === undefined`)
	copied.evaluates("tells of it", `opener.copied = uuid`)
	alice.sees("another one than hers", `copied !== uuid`)
	alice.evaluates("publishes", `server.send("Publish", { value: "first" })`)
	copied.sees("it", `news.join() === "first"`)
	copied.evaluates("publishes", `server.send("Publish", { value: "second" })`)
	alice.sees("both once", `news.join() === "first,second"`)
	alice.sees("no loss", `states.filter(({ state }) => state === "open").length === 1`)
	copied.loadsAgain()
	copied.sees("that it stays who it is", `window.uuid && opener.copied === uuid`)
	alice.sees("that she stays who she is", `server.state === "open" && states.filter(({ state }) => state === "open").length === 1`)
}

// Who goes back to a page, which the browser has kept or loads again, is who they were; also if a page in between had the connection.
func TestBackAndForward(t *testing.T) {
	server := echo(t, 0)
	watcher := server.Dial(t, "watcher")
	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("who she is", `window.uuid !== undefined && window.result !== undefined`)
	alice.evaluates("remembers it", `sessionStorage.uuid = uuid`)
	const same = `window.uuid === sessionStorage.uuid && server.state === "open"`
	for n, between := range []string{"perigee.js", "?another"} {
		alice.do("goes to "+between, chromedp.Navigate(server.URL+between))
		alice.sees("that page", `document.readyState === "complete" && location.href.endsWith("`+between+`")`)
		if n == 1 {
			alice.sees("that she is the same there", same)
			alice.evaluates("asks, so that the server forgets the token of before", `server.ask("Echo").then(() => (window.echoed = true))`)
			alice.sees("the answer", `window.echoed`)
		}
		alice.evaluates("goes back", `history.back()`)
		alice.sees("the page of before", `!location.href.endsWith("`+between+`") && `+same)
		value := strconv.Itoa(n)
		watcher.Send(`{"name":"Publish","value":"` + value + `"}`)
		alice.sees("news once", `news.filter((value) => value === "`+value+`").length === 1`)
		alice.sees("no new connection", `states.every(({ state, complete }, n) => state !== "open" || n <= 1 || complete !== undefined)`)
	}
	alice.evaluates("goes forward", `history.forward()`)
	alice.sees("the other page", `location.search === "?another" && `+same)
}

// A page that the browser keeps when it is left is away as one that is closed: for resume.left.
func TestPageIsLeft(t *testing.T) {
	server := enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = "testdata/client", "returns"
		c.Resume.Left, c.Resume.Lost = config.Duration(time.Millisecond), config.Duration(time.Hour)
	})
	watcher := server.Dial(t, "watcher")
	waitsForConnections := func(want int) {
		for n := -1; n != want; {
			connections, _ := watcher.Expect("UpdateConnections")["connections"].(map[string]any)
			n = len(connections)
		}
	}
	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("herself", `Boolean(window.me?.uuid)`)
	waitsForConnections(2)
	alice.do("leaves it", chromedp.Navigate("about:blank"))
	waitsForConnections(1)
	alice.evaluates("goes back", `history.back()`)
	alice.sees("a connection", `window.server?.state === "open"`)
}

// A page whose network fails for a while, as its browser notices, misses nothing and says nothing twice.
func TestNetworkOffAndOn(t *testing.T) {
	server := echo(t, 0)
	watcher := server.Dial(t, "watcher")
	cutter := newCutter(t, server.URL)
	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.Navigate(cutter.URL))
	alice.sees("the answers", `window.result === "`+exercised+`"`)
	watcher.Send(`{"name":"Subscribe","topic":"news"}`)
	watcher.Expect("UpdateSubscriptions")
	for n := range 3 {
		value := strconv.Itoa(n)
		alice.network(false)
		cutter.Cut() // the emulation refuses new connections, and leaves alone those that are open
		alice.sees("that she is offline", `!navigator.onLine && server.state === "waiting"`)
		alice.evaluates("says something", `server.send("Publish", { value: "hers `+value+`" })`)
		watcher.Send(`{"name":"Publish","value":"news ` + value + `"}`)
		if got := watcher.Expect("News")["value"]; got != "news "+value {
			t.Fatalf("the watcher hears %v, want news %s", got, value)
		}
		alice.evaluates("tries to connect, in vain", `server.open()`)
		alice.sees("that it fails", `states.filter(({ state }) => state === "waiting").length >= `+strconv.Itoa(2*(n+1)))
		alice.network(true)
		alice.sees("what she missed and has said, once and in order", `news.slice(-2).join() === "news `+value+`,hers `+value+`"`)
		if got := watcher.Expect("News")["value"]; got != "hers "+value {
			t.Fatalf("the watcher hears %v, want hers %s", got, value)
		}
	}
	alice.sees("every message once, and complete returns only", `news.length === 6 &&
		states.filter(({ state }) => state === "open").every(({ complete }, n) => n === 0 || complete)`)
}

// network switches the network of the tab on or off.
func (p person) network(on bool) {
	p.t.Helper()
	conditions := []*network.Conditions{{Offline: !on, DownloadThroughput: -1, UploadThroughput: -1}}
	_, err := chromedp.Call(p.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: conditions})
	if err == nil {
		_, err = chromedp.Call(p.ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: !on, DownloadThroughput: -1, UploadThroughput: -1})
	}
	if err != nil {
		p.fail("switches the network", err)
	}
}
