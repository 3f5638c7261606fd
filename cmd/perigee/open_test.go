package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// start --open opens the page in $BROWSER. If that fails, the server keeps running.
func TestStartOpensThePage(t *testing.T) {
	t.Chdir(t.TempDir())
	browser, err := filepath.Abs("browser")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(browser, []byte("#!/bin/sh\necho \"$@ $SERVER_KEY\" > shown.part && mv shown.part shown && exit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SERVER_KEY", "a key that no browser is told")
	l := start(t, []string{"BROWSER=" + browser + ":another"}, "--open")
	l.stderr.await(t, `the browser could not open the page.*exit status 3`)
	shown, err := os.ReadFile("shown")
	if want := "http://" + l.address + "/ \n"; string(shown) != want {
		t.Errorf("the browser was called with %q (%v), want %q", shown, err, want)
	}
	l.dial(t).await("ConnectionEstablished")
}

// An application without a page logs that there is none to open.
func TestStartHasNoPageToOpen(t *testing.T) {
	t.Chdir(t.TempDir())
	writeApp(t, "")
	t.Setenv("SERVER_KEY", "a key that no browser is told")
	l := start(t, []string{"BROWSER=/nowhere"}, "--open", "--lua-manager", "app")
	l.stderr.await(t, `no page to open`)
	if log := l.stderr.String(); strings.Contains(log, "no browser") {
		t.Errorf("the log is %s, want no word of a browser that failed", log)
	}
}
