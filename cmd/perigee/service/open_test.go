package service

import (
	"runtime"
	"slices"
	"testing"
)

// A page is shown by the first browser that the environment names, or else by what the system has for it.
func TestOpener(t *testing.T) {
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
		if got := opener(row.browser, page); !slices.Equal(got, row.want) {
			t.Errorf("opener(%q) = %q, want %q", row.browser, got, row.want)
		}
	}
}
