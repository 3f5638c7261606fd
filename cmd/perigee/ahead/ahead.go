// Package ahead does what a server that starts needs before any other package is initialised: it keeps a SIGHUP from ending the
// server, and allocates the padding of the heap.
//
// Go initialises packages in the order of their import paths, as far as their imports allow (language specification, "Program
// initialization"). A package of module perigee would follow all those of github.com and golang.org, which take several
// milliseconds. This one follows only what it imports: nothing but packages of the standard library.
package ahead

import (
	"os"
	"os/signal"
	"syscall"
)

// padding is how many bytes of unused heap a server has; see Padding of perigee/engine.Options.
const padding = 16 << 20

// Padding is the padding of the heap for the command start, otherwise nil. Allocating it starts the garbage collector, which has
// nothing to do yet. It does not run again before the server accepts clients, unless the scripts make much garbage while they
// load. Later, the same would take some milliseconds.
var Padding []byte

// init ignores SIGHUP for the command start. A server that is starting has nothing to reload; main receives the signal later.
// Other commands must end with their terminal.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "start" {
		signal.Ignore(syscall.SIGHUP)
		Padding = make([]byte, padding)
	}
}
