package service

import (
	"runtime"
	"slices"
	"testing"
)

// The first browser that the environment names is used, or else the command of the system.
func TestBrowserCommand(t *testing.T) {
	const page = "http://localhost:8080/"
	system := []string{"xdg-open", page}
	if runtime.GOOS == "darwin" {
		system = []string{"open", page}
	}
	for _, row := range []struct {
		browser string
		want    []string
	}{
		{"", system},
		{":firefox", system},
		{"firefox", []string{"firefox", page}},
		{"/usr/bin/firefox:w3m", []string{"/usr/bin/firefox", page}},
	} {
		if got := browserCommand(row.browser, page); !slices.Equal(got, row.want) {
			t.Errorf("browserCommand(%q) = %q, want %q", row.browser, got, row.want)
		}
	}
}
