package browser

import (
	"net"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// On the page that perigee init writes, two people see who they are and what the other one does, also after
// the server has been restarted; what they do meanwhile is theirs. A client that an admin disconnects does not reconnect.
func TestTemplate(t *testing.T) {
	_, number, err := net.SplitHostPort(testkit.ReservePort(t)) // which two servers have, one after the other
	if err != nil {
		t.Fatal(err)
	}
	settings := func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = "../../../cmd/perigee/template/scripts", "app"
		if c.Server.Port, err = strconv.Atoi(number); err != nil {
			t.Fatal(err)
		}
	}
	server := enginetest.Start(t, settings)
	first := open(t)
	alice := person{t, "alice", first}
	bob := person{t, "bob", tab(t, first)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	bob.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("both of them", `document.querySelectorAll("#people li").length === 2`)

	alice.types("#nickname", "<i>Alice</i>")
	alice.clicks("#rename button")
	bob.sees("her name, markup and all", `document.querySelector("#people").innerText.includes("<i>Alice</i>")`)
	alice.clicks("#press")
	bob.sees("that she pressed", `document.querySelector("#presses").value === "1" && document.querySelector("#by").innerText.includes("Alice")`)
	screenshot(bob, "template.png")
	alice.loadsAgain()
	alice.sees("her name", `document.querySelector("#nickname").value === "<i>Alice</i>" && document.querySelector("#people .me").innerText.includes("<i>Alice</i> (you)")`)
	bob.sees("still two people", `document.querySelectorAll("#people li").length === 2`)

	bob.clicks("#reset")
	bob.types("#password", "wrong")
	bob.clicks("#authenticate [type=submit]")
	bob.sees("that the password is wrong", `!document.querySelector("#wrong").hidden`)
	bob.types("#password", "password")
	bob.clicks("#authenticate [type=submit]")
	alice.sees("that nobody has pressed", `document.querySelector("#presses").value === "0"`)
	bob.sees("the dialog closed", `!document.querySelector("#ask").open`)

	if err := server.Stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	const gone = `document.querySelector("#status").innerText.includes("again")`
	bob.sees("that the server is gone", gone)
	alice.sees("that the server is gone", gone)
	alice.clicks("#press")
	server = enginetest.Start(t, settings)
	bob.sees("that she, and nobody else, has pressed meanwhile", `document.querySelector("#presses").value === "1" && document.querySelector("#by").innerText.includes("Alice")`)
	bob.sees("her name again", `document.querySelector("#status").innerText === "Connected" && document.querySelector("#people").innerText.includes("Alice")`)

	admin := server.Dial(t, "admin")
	admin.Expect("UpdateButton")
	admin.Send(`{"name":"Authenticate","password":"password"}`)
	admin.Expect("ConnectionAuthenticated")
	admin.Send(`{"name":"DisconnectAll"}`)
	bob.sees("that an admin has ended it", `document.querySelector("#status").innerText.includes("Load the page")`)
}
