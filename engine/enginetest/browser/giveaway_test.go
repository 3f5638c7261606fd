package browser

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"perigee/engine/enginetest"
)

// Two people see each other join; one pings the other; an admin adds a prize and draws a winner; all of it resets; a
// player who leaves can come back.
func TestGiveaway(t *testing.T) {
	server := enginetest.Start(t, nil)
	first := open(t)
	alice := person{t, "alice", first}
	bob := person{t, "bob", tab(t, first)}

	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.join("Alice", "Adams", "alice@example.com", "#join-player")
	alice.sees("herself in the roster", rosterHas("Alice Adams", "alice@example.com", "player"))
	bob.do("opens the page", chromedp.Navigate(server.URL))
	bob.join("Bob", "<b>Brown</b>", "bob@example.com", "#join-spectator")
	bob.sees("alice", rosterHas("Alice Adams", "alice@example.com", "player"))
	alice.sees("bob, markup and all", rosterHas("Bob <b>Brown</b>", "bob@example.com", "spectator"))
	alice.sees("the time running", `document.querySelector("#uptime").textContent !== "00:00"`)

	bob.clicks(`#roster-rows [data-ping]:not([hidden]):not([disabled])`)
	alice.sees("a notification", `document.querySelector("#notification-count").textContent === "1"`)
	alice.clicks("#bell")
	alice.sees("who pinged her", `document.querySelector("#notification-list").innerText.includes("Bob")`)
	alice.clicks("#dismiss")
	alice.sees("no notification", `document.querySelector("#notification-count").hidden`)
	alice.sees("the list closed", `document.querySelector("#notifications").hidePopover() ?? true`)

	bob.clicks("#add-prize")
	bob.types("#prize-name", "Mug")
	bob.types("#prize-sponsor", "Acme")
	bob.clicks("#prize-submit")
	bob.types("#password", "wrong")
	bob.clicks("#password-submit")
	bob.sees("that the password is wrong", `!document.querySelector("#password-error").hidden`)
	bob.types("#password", "password")
	bob.clicks("#password-submit")
	alice.sees("the prize that was asked for before the password", `document.querySelector("#prizes").innerText.includes("Mug")`)
	bob.sees("one prize left", `document.querySelector("#prizes-left").textContent === "1"`)
	bob.clicks("#draw-winner")
	alice.sees("that she won", `document.querySelector("#winner-dialog").open && document.querySelector("#winner-prize").textContent.includes("Mug")`)
	screenshot(alice, "winner.png")
	alice.clicks("#winner-close")
	bob.sees("the winner", rosterHas("Alice Adams", "winner"))
	bob.clicks("#reset-prizes")
	bob.confirm()
	alice.sees("no prize", `document.querySelector("#prizes-total").textContent === "0"`)
	alice.sees("that she is a player again", rosterHas("Alice Adams", "player"))

	alice.clicks("#connection-toggle")
	bob.sees("alice leave", `!document.querySelector("#roster-rows").innerText.includes("Alice")`)
	alice.clicks("#connection-toggle")
	alice.sees("the server again", `document.querySelector("#connection-count").textContent === "2"`)
	alice.join("Alice", "Adams", "alice@example.com", "#join-player")
	bob.sees("alice again", rosterHas("Alice Adams"))
	screenshot(bob, "roster.png")
	bob.clicks("#disconnect-players")
	bob.confirm()
	alice.sees("that she is out", `document.body.dataset.state !== "open"`)
}

func (p person) join(first, last, email string, button chromedp.CSS) {
	p.t.Helper()
	p.types("#first-name", first)
	p.types("#last-name", last)
	p.types("#email", email)
	p.clicks(button)
}

// confirm clicks yes in the dialog that asks.
func (p person) confirm() {
	p.t.Helper()
	p.clicks("#confirm-yes")
}

// rosterHas is an expression that holds when one row of the roster has all of the texts.
func rosterHas(texts ...string) string {
	expression := `[...document.querySelectorAll("#roster-rows tr")].some(row => true`
	for _, text := range texts {
		expression += ` && row.innerText.includes("` + text + `")`
	}
	return expression + ")"
}

// screenshot keeps a picture in the directory that PERIGEE_SCREENSHOTS names, for people to look at.
func screenshot(p person, file string) {
	directory := os.Getenv("PERIGEE_SCREENSHOTS")
	if directory == "" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.fail("takes a picture", err)
	}
	if err := os.WriteFile(directory+"/"+file, picture, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
