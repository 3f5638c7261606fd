package browser

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"perigee/engine/enginetest"
)

// Two people see each other join; one pings the other; the host, whose controls nobody else sees, adds a prize and draws, which
// everybody sees; whoever loads the page again is who they were; all of it starts over; a player who leaves can come back.
func TestGiveaway(t *testing.T) {
	server := enginetest.Start(t, nil)
	first := open(t)
	alice := person{t, "alice", first}
	bob := person{t, "bob", tab(t, first)}

	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.join("Alice Adams", "#join-player")
	alice.sees("herself", listHas("#people", "Alice Adams", "player", "you"))
	bob.do("opens the page", chromedp.Navigate(server.URL))
	bob.join("Bob <b>Brown</b>", "#join-spectator")
	bob.sees("alice", listHas("#people", "Alice Adams", "player"))
	alice.sees("bob, markup and all", listHas("#people", "Bob <b>Brown</b>", "spectator"))
	alice.sees("the time running", `document.querySelector("#uptime").textContent !== "00:00"`)

	bob.clicks(`#people [data-ping]:not([hidden]):not([disabled])`)
	alice.sees("a notification", `document.querySelector("#notification-count").textContent === "1"`)
	alice.clicks("#bell")
	alice.sees("who pinged her", `document.querySelector("#notification-list").innerText.includes("Bob")`)
	alice.clicks("#dismiss")
	alice.sees("no notification", `document.querySelector("#notification-count").hidden`)
	alice.sees("the list closed", `document.querySelector("#notifications").hidePopover() ?? true`)

	bob.becomesHost()
	alice.sees("no controls of the host", `!document.querySelector("#host").checkVisibility()`)
	alice.sees("no addresses", `!document.querySelector("#people").innerText.includes("127.0.0.1")`)
	bob.sees("the addresses", listHas("#people", "Alice Adams", "127.0.0.1"))
	bob.clicks("#add-prize")
	bob.types("#prize-name", "Mug")
	bob.types("#prize-sponsor", "Acme")
	bob.clicks("#prize-submit")
	alice.sees("the prize", listHas("#prizes", "Mug", "Acme", "Up next"))
	bob.clicks("#draw-winner")
	alice.sees("that she won", `document.querySelector("#draw-dialog").open && document.querySelector("#draw-title").textContent === "You have won!"`)
	bob.sees("who won what", `document.querySelector("#draw-dialog").innerText.match(/Mug[^]*Alice Adams wins!/) !== null`)
	screenshot(alice, "winner.png")
	screenshot(bob, "draw.png")
	alice.clicks("#draw-close")
	bob.do("closes it, if it has not closed by itself", chromedp.Evaluate[chromedp.Void](closeDraw))
	alice.loadsAgain()
	bob.loadsAgain()
	alice.sees("that she is the winner still", listHas("#people", "Alice Adams", "winner", "you"))
	alice.sees("no form to join, and no draw", `!document.querySelector("#join").checkVisibility() && !document.querySelector("#draw-dialog").open`)
	bob.sees("that he is the host still", `document.querySelector("#host").checkVisibility()`)
	bob.sees("the winner", listHas("#people", "Alice Adams", "winner"))
	bob.sees("the prize that is won", listHas("#prizes", "Mug", "Won by Alice Adams"))
	bob.clicks("#reset-prizes")
	bob.clicks("#confirm-yes")
	alice.sees("no prize", `document.querySelectorAll("#prizes li").length === 0`)
	alice.sees("that she is a player again", listHas("#people", "Alice Adams", "player"))

	bob.clicks("#host summary")
	bob.clicks("#restart-server")
	bob.sees("that nothing would start the server again", `document.querySelector("#confirm-dialog").innerText.match(/Stop the server[^]*No supervisor[^]*Stop it/) !== null`)
	bob.clicks("#confirm-no")

	alice.clicks("#connection-toggle")
	bob.sees("alice leave", `!document.querySelector("#people").innerText.includes("Alice")`)
	alice.clicks("#connection-toggle")
	alice.sees("the server again", `document.querySelector("#connection-count").textContent === "2"`)
	alice.join("Alice Adams", "#join-player")
	bob.sees("alice again", listHas("#people", "Alice Adams"))
	screenshot(bob, "people.png")
	bob.clicks("#disconnect-players")
	bob.clicks("#confirm-yes")
	alice.sees("that she is out", `document.body.dataset.state === "closed"`)
}

// On a phone, who opens the page sees the next prizes without scrolling, above what else there is, also before joining.
func TestGiveawayOnAPhone(t *testing.T) {
	server := enginetest.Start(t, nil)
	admin := server.Dial(t, "admin")
	admin.Send(`{"name":"Authenticate","password":"password"}`)
	hears(admin, "ConnectionAuthenticated")
	for _, prize := range []string{"Telescope", "Star atlas", "Moon lamp"} {
		admin.Send(`{"name":"AddPrize","prize":{"name":"` + prize + `","sponsor":"Apogee Optics"}}`)
	}
	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile), chromedp.Navigate(server.URL))
	alice.sees("the form to join", `document.querySelector("#join").checkVisibility()`)
	alice.sees("the prizes", `document.querySelectorAll("#prizes li").length === 3`)
	alice.sees("all prizes above the fold", `[...document.querySelectorAll("#prizes li")].every(e => e.getBoundingClientRect().bottom <= 844)`)
	alice.sees("nothing beside the page", `document.documentElement.scrollWidth <= 390`)
	screenshot(alice, "phone.png")
	alice.join("Alice Adams", "#join-player")
	alice.sees("herself", listHas("#people", "Alice Adams"))
	screenshot(alice, "phone-joined.png")
	admin.Send(`{"name":"PickRandomWinner"}`)
	alice.sees("that she won", `document.querySelector("#draw-title").textContent === "You have won!"`)
	screenshot(alice, "phone-won.png")
}

// Names run past before the winner is shown, but not for people who want no motion.
func TestDraw(t *testing.T) {
	server := enginetest.Start(t, nil)
	admin := server.Dial(t, "admin")
	admin.Send(`{"name":"Authenticate","password":"password"}`)
	hears(admin, "ConnectionAuthenticated")
	for _, name := range []string{"Vera", "Henrietta"} {
		player := server.Dial(t, name)
		player.Send(`{"name":"JoinAsPlayer","registration":{"name":{"first":"` + name + `"}}}`)
		hears(player, "ConnectionRegistered")
	}
	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("the players", `document.querySelector("#player-count").textContent === "2"`)
	alice.do("notes what moves", chromedp.Evaluate[chromedp.Void](`
		window.moved = new Set();
		const animate = Element.prototype.animate;
		Element.prototype.animate = function (...how) {
			moved.add(this.localName);
			return animate.apply(this, how);
		};`))
	draw := func(prize string) {
		admin.Send(`{"name":"AddPrize","prize":{"name":"` + prize + `"}}`)
		admin.Send(`{"name":"PickRandomWinner"}`)
	}
	draw("Mug")
	alice.sees("names running past", `moved.has("ul")`)
	screenshot(alice, "running.png")
	alice.sees("who won what", `document.querySelector("#draw-dialog").innerText.match(/Mug[^]*(Vera|Henrietta) wins!/) !== null`)
	alice.sees("confetti", `moved.has("i")`)
	alice.do("wants no motion", chromedp.Evaluate[chromedp.Void](closeDraw+`; moved.clear();
		window.matchMedia = (query) => ({ matches: query.includes("prefers-reduced-motion: reduce") });`))
	admin.Send(`{"name":"ResetPrizes"}`)
	draw("Cap")
	alice.sees("who won what", `document.querySelector("#draw-dialog").innerText.match(/Cap[^]*(Vera|Henrietta) wins!/) !== null`)
	alice.sees("no motion", `moved.size === 0`)
}

// closeDraw closes the result of a draw, which also closes by itself.
const closeDraw = `document.querySelector("#draw-dialog").close()`

// becomesHost signs in as the host, with a wrong password first.
func (p person) becomesHost() {
	p.t.Helper()
	p.clicks("#sign-in")
	p.types("#password", "wrong")
	p.clicks("#password-submit")
	p.sees("that the password is wrong", `!document.querySelector("#password-error").hidden`)
	p.types("#password", "password")
	p.clicks("#password-submit")
	p.sees("the controls of the host", `document.querySelector("#host").checkVisibility()`)
}

func (p person) join(name string, button chromedp.CSS) {
	p.t.Helper()
	p.types("#join-name", name)
	p.clicks(button)
}

// listHas is an expression that holds when one item of a list has all of the texts.
func listHas(list string, texts ...string) string {
	expression := `[...document.querySelectorAll("` + list + ` li")].some(item => true`
	for _, text := range texts {
		expression += ` && item.innerText.includes("` + text + `")`
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
