// Package browser tests what people see: the pages, in a real Chromium, against the real server.
package browser

import (
	"cmp"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"perigee/engine/testkit"
)

// open starts a browser for the time of a test and returns the context of its first tab. If no Chromium is
// installed, the test is skipped, or fails under CI=true.
func open(t *testing.T) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	testkit.Need(t, program != "", "Chromium")
	ctx, cancel := context.WithTimeout(t.Context(), 2*testkit.Timeout)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // CI runs as root
		chromedp.DisableGPU,
		chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-quic", true),
		chromedp.WSURLReadTimeout(testkit.Timeout),
	)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	return tab(t, ctx)
}

// tab opens a tab in the browser of another, or the first one.
func tab(t *testing.T, parent context.Context) context.Context { //nolint:revive // t.Helper comes first, as everywhere
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	return ctx
}

// person is a user of the page in a tab.
type person struct {
	t    *testing.T
	name string
	ctx  context.Context //nolint:containedctx // a tab is a context to chromedp
}

func (p person) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.fail(what, err)
	}
}

// fail ends the test with the text of the page.
func (p person) fail(what string, err error) {
	p.t.Helper()
	text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText")) // for the message only
	p.t.Fatalf("%s: %s: %v\nthe page shows:\n%s", p.name, what, err, text)
}

// sees waits until a JavaScript expression is true; until then it may fail, since elements are missing. The test asks, rather than a
// function in the page as of chromedp.Poll, which would end if the page is loaded meanwhile.
func (p person) sees(what, expression string) {
	p.t.Helper()
	holds := chromedp.Evaluate[bool]("Boolean(" + expression + ")")
	for deadline := time.Now().Add(testkit.Timeout); ; time.Sleep(pollingInterval) {
		seen, err := chromedp.Run(p.ctx, holds)
		if seen {
			return
		}
		var exception *chromedp.ExceptionError
		if err != nil && !errors.As(err, &exception) || time.Now().After(deadline) {
			p.fail("sees "+what, cmp.Or(err, errors.New("not within "+testkit.Timeout.String())))
		}
	}
}

// pollingInterval is how often a page is asked again.
const pollingInterval = 20 * time.Millisecond

// loadsAgain loads the page again and waits until the page of before is gone.
func (p person) loadsAgain() {
	p.t.Helper()
	p.do("marks the page", chromedp.Evaluate[chromedp.Void](`window.ofBefore = true; undefined`))
	p.do("loads the page again", chromedp.Reload())
	p.sees("the new page", `window.ofBefore === undefined && document.readyState === "complete"`)
}

// clicks presses a button once a person could: it is enabled, stands still, and nothing covers it.
func (p person) clicks(selector chromedp.CSS) {
	p.t.Helper()
	p.sees(string(selector)+" to click on", `(() => {
		const element = document.querySelector(`+strconv.Quote(string(selector))+`);
		if (!element || element.matches(":disabled")) return false;
		element.scrollIntoView({ block: "nearest", behavior: "instant" });
		const { x, y, width, height } = element.getBoundingClientRect();
		const before = window.clickable;
		window.clickable = [x, y, width, height].join();
		return before === window.clickable && element.contains(document.elementFromPoint(x + width / 2, y + height / 2));
	})()`)
	p.do("clicks "+string(selector), chromedp.Click(selector, chromedp.NodeVisible))
}

// types writes into a field.
func (p person) types(selector chromedp.CSS, text string) {
	p.t.Helper()
	p.sees(string(selector)+" emptied", `(document.querySelector("`+string(selector)+`").value = "") === ""`)
	p.do("types into "+string(selector), chromedp.SendKeys(selector, text, chromedp.NodeVisible))
}
