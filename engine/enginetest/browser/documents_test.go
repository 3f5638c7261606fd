package browser

import (
	"context"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"perigee/engine/config"
	"perigee/engine/enginetest"
)

// The page that the documents show counts the clicks of all clients, and reconnects after the server has started again. The
// JavaScript for the console of a browser works there.
func TestDocumentPage(t *testing.T) {
	first := open(t)
	documents := enginetest.Guides(t)
	directory := filepath.Join(t.TempDir(), "scripts")
	document, _ := enginetest.Showing(t, documents, "clicker/public/index.html")
	enginetest.WriteScripts(t, directory, document.Sections)
	start := func(port int) *enginetest.Server {
		return enginetest.Start(t, func(c *config.Config) {
			c.Server.Port, c.Lua.Path, c.Lua.Manager = port, directory, "clicker"
		})
	}
	server := start(0)
	alice := person{t, "alice", first}
	bob := person{t, "bob", tab(t, first)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	bob.do("opens the page", chromedp.Navigate(server.URL))

	const clicks = `(document.querySelector("button").click(), document.querySelector("output").value !== "unknown")`
	alice.sees("a click", clicks)
	bob.sees("a click", clicks)
	listens := typed(t, documents, server)
	alice.do("types into the console", chromedp.Evaluate[chromedp.Void](`window.heard = []; console.log = (text) => heard.push(JSON.parse(text).name);`+listens))
	alice.sees("the answers", `heard[0] === "ConnectionEstablished" && heard.includes("Clicked")`)

	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
	bob.do("forgets", chromedp.Evaluate[chromedp.Void](`document.querySelector("output").value = "unknown"`))
	start(port)
	bob.sees("a click again", clicks)
}

// typed returns the JavaScript that the documents type into a console, with the address of a server.
func typed(t *testing.T, documents []enginetest.Document, server *enginetest.Server) string {
	t.Helper()
	for _, document := range documents {
		for _, section := range document.Sections {
			for _, b := range section.All("js") {
				if b.File == "" {
					return "(() => {" + strings.ReplaceAll(b.Text, "ws://127.0.0.1:8080/", server.Socket) + "})()"
				}
			}
		}
	}
	t.Fatal("the documents have no JavaScript for the console")
	return ""
}

// The poll of the client library's document: an answer, a refusal, and a result that everybody sees. What connects by hand hears
// the server too.
func TestDocumentClient(t *testing.T) {
	documents := enginetest.Guides(t)
	directory := filepath.Join(t.TempDir(), "scripts")
	document, _ := enginetest.Showing(t, documents, "poll/public/index.html")
	enginetest.WriteScripts(t, directory, document.Sections)
	server := enginetest.Start(t, func(c *config.Config) { c.Lua.Path, c.Lua.Manager = directory, "poll" })
	first := open(t)
	alice := person{t, "alice", first}
	bob := person{t, "bob", tab(t, first)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	bob.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("the connection", `document.querySelector("#state").textContent === "open"`)
	bob.sees("the connection", `document.querySelector("#state").textContent === "open"`)
	alice.clicks("button:nth-of-type(2)")
	alice.sees("her number", `document.querySelector("#answer").textContent === "Yours is number 1."`)
	bob.sees("the result", `document.querySelector("#results").textContent === "tea 0, coffee 1"`)
	bob.clicks("button:nth-of-type(3)")
	bob.sees("the refusal", `document.querySelector("#answer").textContent === "We have no milk."`)
	bob.do("connects by hand", chromedp.Evaluate[chromedp.Void](
		`import("/byhand.js").then(({ connect }) => connect(({ name }) => (window.byhand ??= name))); undefined`))
	bob.do("signs in", chromedp.Evaluate[chromedp.Void](`Promise.all([import("/perigee.js"), import("/signin.js")]).then(([{ connect }, { signIn }]) => {
		const server = connect();
		server.on("ConnectionRegistered", ({ connection }) => (window.registered = connection.name));
		signIn(server, "Bob");
	}); undefined`))
	bob.sees("his name", `window.registered === "Bob"`)
	bob.sees("the server by hand", `window.byhand === "ConnectionEstablished"`)
}

// The page of the recipe for presence lists all users who are present, each once, and nobody who has left.
func TestDocumentPresence(t *testing.T) {
	documents := enginetest.Guides(t)
	directory := filepath.Join(t.TempDir(), "scripts")
	_, section := enginetest.Showing(t, documents, "presence/public/presence.js")
	enginetest.WriteScripts(t, directory, []enginetest.Section{section})
	server := enginetest.Start(t, func(c *config.Config) { c.Lua.Path, c.Lua.Manager = directory, "presence" })
	first := open(t)
	enters := func(name string, ctx context.Context) person {
		p := person{t, name, ctx}
		p.do("opens a page", chromedp.Navigate(server.URL+"presence.js"))
		p.evaluates("enters", `Promise.all([import("/perigee.js"), import("/presence.js")]).then(([{ connect }, { presence }]) => {
			window.server = connect();
			presence(window.server, "lobby", (users) => (window.there = users.toSorted().join()));
			window.server.send("Enter", { person: "`+name+`" });
		})`)
		return p
	}
	alice := enters("Alice", first)
	alice.sees("herself", `window.there === "Alice"`)
	bob := enters("Bob", tab(t, first))
	again := enters("Alice", tab(t, first))
	for _, p := range []person{alice, bob, again} {
		p.sees("both once", `window.there === "Alice,Bob"`)
	}
	again.evaluates("leaves", `server.close()`)
	bob.evaluates("leaves", `server.close()`)
	alice.sees("herself only", `window.there === "Alice"`)
}
