package browser

import (
	"testing"

	"github.com/chromedp/chromedp"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// On the page that perigee init writes, two people see who they are and what the other one does.
func TestTemplate(t *testing.T) {
	server := enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager = "../../../cmd/perigee/template/scripts", "app"
	})
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

	bob.clicks("#reset")
	bob.types("#password", "wrong")
	bob.clicks("#authenticate [type=submit]")
	bob.sees("that the password is wrong", `!document.querySelector("#wrong").hidden`)
	bob.types("#password", "password")
	bob.clicks("#authenticate [type=submit]")
	alice.sees("that nobody has pressed", `document.querySelector("#presses").value === "0"`)
	bob.sees("the dialog closed", `!document.querySelector("#ask").open`)

	admin := server.Dial(t, "admin")
	admin.Expect("UpdateButton")
	admin.Send(`{"name":"Authenticate","password":"password"}`)
	admin.Expect("ConnectionAuthenticated")
	admin.Send(`{"name":"DisconnectAll"}`)
	bob.sees("that she is gone", `!document.querySelector("#people").innerText.includes("Alice") || document.querySelector("#status").innerText.includes("again")`)
	bob.sees("her name again", `document.querySelector("#status").innerText === "Connected." && document.querySelector("#people").innerText.includes("Alice")`)
}
