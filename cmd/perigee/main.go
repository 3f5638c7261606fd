// Command perigee is a realtime WebSocket server whose applications are written in Lua.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// exitInterrupted is the exit code that shells report for a program that SIGINT has ended: 128 + 2.
const exitInterrupted = 130

func main() {
	holdHangups(os.Args)
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the program
		<-signals
		stop()
		<-signals // the user does not want to wait
		os.Exit(exitInterrupted)
	}()
	os.Exit(run(ctx, os.Args, os.Environ(), os.Stdout, os.Stderr))
}

// holdHangups keeps a SIGHUP from ending a server that has not read its settings yet: it is about to read them anyway. Until here,
// package ahead has done so. It returns the channel that receives the signal, or nil for commands other than start, which end
// with their terminal.
func holdHangups(args []string) chan os.Signal {
	if len(args) < 2 || args[1] != "start" {
		return nil
	}
	held := make(chan os.Signal, 1)
	signal.Notify(held, syscall.SIGHUP)
	return held
}
