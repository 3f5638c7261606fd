// Package ahead keeps a SIGHUP from ending a server that starts, before any other package is initialised.
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

// init ignores SIGHUP for the command start. A server that is starting has nothing to reload; main receives the signal later.
// Other commands must end with their terminal.
func init() {
	if len(os.Args) > 1 && os.Args[1] == "start" {
		signal.Ignore(syscall.SIGHUP)
	}
}
