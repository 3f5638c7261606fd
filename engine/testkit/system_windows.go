package testkit

import (
	"net"
	"testing"
)

// ReservePort returns an address of 127.0.0.1 with a port that was free a moment ago.
func ReservePort(tb testing.TB) (address string) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a local port takes no time
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // no client has connected
	return listener.Addr().String()
}

// MakePipe skips the test: Windows has no pipes among its files.
func MakePipe(tb testing.TB, _ string) {
	tb.Helper()
	tb.Skip("Windows has no named pipes in directories")
}
