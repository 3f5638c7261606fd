package browser

import (
	"fmt"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"perigee/engine/enginetest"
)

// The README shows the give-away's page in a picture; elements has the elements that are visible in it, one a line.
const (
	picture  = "../../../scripts/giveaway/giveaway.png"
	elements = "testdata/giveaway.txt"
)

// PERIGEE_UPDATE=1 makes the picture and the list of its elements anew.
const updateVariable = "PERIGEE_UPDATE"

// maxPicture is the largest size of the picture in bytes: the repository keeps every version of it.
const maxPicture = 150 << 10

// The picture of the README shows the page as it is: people, prizes and a winner, and the same elements.
func TestPicture(t *testing.T) {
	server := enginetest.Start(t, nil)
	admin := server.Dial(t, "admin")
	admin.Send(`{"name":"Authenticate","password":"password"}`)
	hears(admin, "ConnectionAuthenticated")
	admin.Send(`{"name":"JoinAsSpectator","registration":{"name":{"first":"Grace","last":"Hopper"},"email":"grace@example.com"}}`)
	hears(admin, "ConnectionRegistered")
	for _, prize := range []string{"Telescope", "Star atlas", "Moon lamp"} {
		admin.Send(fmt.Sprintf(`{"name":"AddPrize","prize":{"name":%q,"sponsor":"Apogee Optics"}}`, prize))
	}
	winner := server.Dial(t, "winner") // the only player when the first prize is drawn
	winner.Send(`{"name":"JoinAsPlayer","registration":{"name":{"first":"Annie","last":"Cannon"},"email":"annie@example.com"}}`)
	hears(winner, "ConnectionRegistered")
	admin.Send(`{"name":"PickRandomWinner"}`)
	hears(winner, "AwardWinner")
	for _, name := range []string{"Caroline Herschel", "Henrietta Leavitt", "Vera Rubin"} {
		first, last, _ := strings.Cut(name, " ")
		client := server.Dial(t, first)
		client.Send(fmt.Sprintf(`{"name":"JoinAsPlayer","registration":{"name":{"first":%q,"last":%q},"email":"%s@example.com"}}`,
			first, last, strings.ToLower(first)))
		hears(client, "ConnectionRegistered")
	}

	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.EmulateViewport(1240, 620), chromedp.Navigate(server.URL))
	alice.join("Ada Lovelace", "#join-player")
	alice.sees("six people", `document.querySelectorAll("#people li").length === 6`)
	alice.sees("herself as a player", listHas("#people", "Ada Lovelace", "player"))
	alice.sees("the winner", listHas("#people", "Annie Cannon", "winner"))
	alice.sees("two prizes left", `document.querySelector("#prizes-left").textContent === "2"`)
	alice.sees("no messages that pass", `document.querySelector("#toasts").children.length === 0`)

	visible, err := chromedp.Run(alice.ctx, chromedp.Evaluate[string](
		`[...document.querySelectorAll("[id]")].filter(e => e.checkVisibility() && !e.closest("dialog:not([open])")).map(e => e.id + "\n").join("")`))
	if err != nil {
		alice.fail("lists what she sees", err)
	}
	shot, err := chromedp.Run(alice.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		alice.fail("takes a picture", err)
	}
	if os.Getenv(updateVariable) != "" {
		for file, data := range map[string][]byte{picture: shot, elements: []byte(visible)} {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	want, err := os.ReadFile(elements)
	if err != nil {
		t.Fatal(err)
	}
	if visible != string(want) {
		t.Errorf("the page has the elements\n%s\nwant those of the picture\n%s\n%s=1 makes it anew", visible, want, updateVariable)
	}
	checkPicture(t)
}

// hears takes the frames of a client up to one of that name.
func hears(client *enginetest.Client, name string) {
	for client.Next().Name() != name {
	}
}

// checkPicture checks that the picture in the repository is a PNG, wide enough, and small.
func checkPicture(t *testing.T) {
	t.Helper()
	file, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	config, err := png.DecodeConfig(file)
	if err != nil || config.Width < 1000 || info.Size() > maxPicture {
		t.Errorf("%s is %dx%d, %d bytes, %v, want a PNG that is 1000 wide at least, in at most %d bytes",
			picture, config.Width, config.Height, info.Size(), err, maxPicture)
	}
}
