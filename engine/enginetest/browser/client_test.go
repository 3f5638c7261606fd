package browser

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// The client library does the same under Node.
func TestClientUnderNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Node is not installed")
		}
		t.Skip("Node is not installed")
	}
	library, err := filepath.Abs("../../web/client/perigee.js")
	if err != nil {
		t.Fatal(err)
	}
	server := echo(t, 0)
	output, err := exec.CommandContext(t.Context(), node, "--experimental-websocket", "--no-warnings",
		"testdata/client/node.mjs", library, server.Socket).CombinedOutput()
	if got := strings.TrimSpace(string(output)); err != nil || got != exercised {
		t.Errorf("the exercise = %q, %v, want %q", got, err, exercised)
	}
}
