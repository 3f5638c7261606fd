package browser

import (
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// exercised is what testdata/client/echo/public/exercise.js returns.
const exercised = "Echoed äöü; NoItem 404 There is none.; PromptForAuthentication 401 Authorization required.; Timeout undefined Timeout"

// echo starts a server for tests of the client library, on a port that the next one can have too.
func echo(t *testing.T, port int) *enginetest.Server {
	t.Helper()
	return enginetest.Start(t, func(c *config.Config) {
		c.Lua.Path, c.Lua.Manager, c.Server.Port = "testdata/client", "echo", port
	})
}

// The client library asks, gets answers and refusals, and comes back with its subscriptions after the server has started again.
func TestClientInChromium(t *testing.T) {
	_, number, err := net.SplitHostPort(testkit.ReservePort(t))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	server := echo(t, port)
	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("the answers", `window.result !== undefined`)
	result, err := chromedp.Run(alice.ctx, chromedp.Evaluate[string](`result`))
	if err != nil || result != exercised {
		t.Errorf("the exercise = %q, %v, want %q", result, err, exercised)
	}
	if err := server.Stop(); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
	alice.sees("that the server is gone", `states.at(-1).state === "waiting" && states.at(-1).retryAt > Date.now()`)
	alice.do("sends something", chromedp.Evaluate[chromedp.Void](`server.send("Publish", { value: "kept" }); undefined`))
	echo(t, port)
	alice.sees("news again", `server.state === "open" && news.at(-1) === "kept"`)
}

// Under Node, the client library passes the same exercise, and a program can have it send a cookie.
func TestClientUnderNode(t *testing.T) {
	node := testkit.Program(t, "node")
	library, err := filepath.Abs("../../web/client/perigee.js")
	if err != nil {
		t.Fatal(err)
	}
	server := echo(t, 0)
	output, err := exec.CommandContext(t.Context(), node, "--experimental-websocket", "--no-warnings",
		"testdata/client/node.mjs", library, server.Socket).CombinedOutput()
	if got := strings.TrimSpace(string(output)); err != nil || got != exercised+"\nabc" {
		t.Errorf("the exercise = %q, %v, want %q and the cookie abc", got, err, exercised)
	}
}

// A page that loses its connection several times, and a page that is loaded again, stay who they are: everything that was sent
// meanwhile comes once, in order, in both directions, and nobody else hears of it. A second page like it is somebody else.
func TestClientResumes(t *testing.T) {
	server := echo(t, 0)
	watcher := server.Dial(t, "watcher")
	first := open(t)
	alice := person{t, "alice", first}
	cutter := newCutter(t, server.URL)
	alice.do("opens the page", chromedp.Navigate(cutter.URL))
	alice.sees("the answers", `window.result === "`+exercised+`"`)
	uuid := `window.uuid !== undefined`
	alice.sees("who she is", uuid)
	alice.do("keeps that", chromedp.Evaluate[chromedp.Void](`sessionStorage.uuid = uuid; states.length = 0`))

	watcher.Send(`{"name":"Subscribe","topic":"news"}`)
	watcher.Expect("UpdateSubscriptions")
	const cuts = 5
	for n := range cuts {
		value := strconv.Itoa(n)
		alice.do("sends and asks", chromedp.Evaluate[chromedp.Void](
			`server.send("Publish", { value: "sent `+value+`" }); server.ask("Echo", { value: `+value+` }).then(({ value }) => (window.echoed = value)); undefined`))
		cutter.Cut()
		watcher.Send(`{"name":"Publish","value":"news ` + value + `"}`)
		alice.sees("her answer", `window.echoed === `+value)
		alice.sees("the news", `news.includes("news `+value+`") && news.includes("sent `+value+`")`)
	}
	for n := range cuts {
		got := []string{watcher.Expect("News")["value"].(string), watcher.Expect("News")["value"].(string)}
		slices.Sort(got)
		if want := []string{"news " + strconv.Itoa(n), "sent " + strconv.Itoa(n)}; !slices.Equal(got, want) {
			t.Fatalf("the watcher hears %q, want %q", got, want)
		}
	}
	alice.sees("every message once", `news.length === `+strconv.Itoa(2*cuts))
	alice.sees("only complete returns", `states.filter(({ state }) => state === "open").length === `+strconv.Itoa(cuts)+` &&
		states.every(({ state, complete }) => state !== "open" || complete)`)

	other := person{t, "the other", tab(t, first)}
	other.do("opens a second page", chromedp.Navigate(cutter.URL))
	other.sees("the answers", `window.result !== undefined`)
	roster := `Object.values(heard.findLast(({ name }) => name === "UpdateConnections")?.connections ?? {})`
	other.sees("three connections", roster+`.length === 3`)
	watcher.Send(`{"name":"JoinAsPlayer","registration":{"name":{"first":"Vera"}}}`)
	other.sees("a change that is later than its own joining", roster+`.some(({ name }) => name === "Vera")`)
	other.sees("that it is somebody else", uuid+` && states.find(({ state }) => state === "open").complete === undefined`)
	other.do("notes what comes from here on", chromedp.Evaluate[chromedp.Void](`heard.length = 0`))

	alice.loadsAgain()
	alice.sees("that she is the same", `window.uuid === sessionStorage.uuid && states.find(({ state }) => state === "open").complete === false`)
	watcher.Send(`{"name":"Publish","value":"again"}`)
	alice.sees("news again", `news.length === 1 && news[0] === "again"`)
	other.sees("that and nothing else", `heard.length === 1 && heard[0].value === "again"`)
}

// A page that the connect hook refuses hears the reason. It stays closed if the refusal is final, and otherwise tries again by itself.
func TestPageIsRefused(t *testing.T) {
	server := enginetest.Start(t, func(c *config.Config) { c.Lua.Path, c.Lua.Manager = "testdata/client", "refuses" })
	alice := person{t, "alice", open(t)}
	alice.do("opens the page", chromedp.Navigate(server.URL))
	alice.sees("that she must sign in", `window.states?.join() === "connecting,closed 4401 Sign in first."`)
	alice.do("signs in", chromedp.Evaluate[chromedp.Void](`states.length = 0; document.cookie = "ticket=busy"; server.open()`))
	alice.sees("who she is", `window.user === "busy"`)
	alice.sees("that she was refused once", `states.join() === "connecting,waiting 1013 Too many people.,connecting,open"`)
}
