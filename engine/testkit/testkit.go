// Package testkit holds helpers that the tests of several packages share: bounded waits, programs that must be installed, a log
// buffer, reserved TCP ports and a reader of WebSocket frames. It imports no other package of this module, and only tests import it.
package testkit
