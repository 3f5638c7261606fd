package browser

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// A page that is loaded again is who it was, with its name, data and topics, and another page that watches hears not one frame of it.
func TestPageIsLoadedAgain(t *testing.T) {
	server := enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = "testdata/client", "returns"
		c.Roster.Interval = config.Duration(time.Millisecond) // the roster does not hide a change in a later one
	})
	first := open(t)
	alice := person{t, "alice", first}
	bob := person{t, "bob", tab(t, first)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("herself", `Boolean(window.me?.uuid)`)
	bob.do("opens the page", chromedp.Navigate(server.URL))
	bob.sees("himself", `Boolean(window.me?.uuid)`)
	alice.says("Subscribe", `{ topic: "news" }`)
	alice.says("JoinAsPlayer", `{ registration: { name: { first: "Alice" } } }`)
	alice.says("Ring", "{}")
	bob.sees("alice", `names().includes("Rang") &&
		Object.values(frames.findLast(f => f.name === "UpdateConnections")?.connections ?? {}).some(c => c.name === "Alice")`)
	bob.do("forgets what he has heard", chromedp.Evaluate[chromedp.Void](`frames.length = 0`))

	alice.do("remembers who she is", chromedp.Evaluate[chromedp.Void](`sessionStorage.uuid = me.uuid`))
	alice.do("loads the page again", chromedp.Reload())
	alice.sees("herself", `window.me?.uuid === sessionStorage.uuid && me.name === "Alice"`)
	alice.says("Ring", "{}")
	alice.sees("the news, without having subscribed again", `names().endsWith("Rang Headline")`)
	const counts = `Object.entries(frames.at(-1).ran).sort().join(" ")`
	bob.sees("one frame, from her", `names() === "Rang" && frames[0].rings === 2`)
	bob.sees("how often hooks ran", counts+` === "close,0 drop,1 open,3 resume,1"`)
}

// says sends a message.
func (p person) says(name, fields string) {
	p.t.Helper()
	p.do("sends "+name, chromedp.Evaluate[chromedp.Void](`server.send("`+name+`", `+fields+`); undefined`))
}
