// Command perigee is a realtime WebSocket server whose applications are written in Lua.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// exitInterrupted is what a shell calls a program that SIGINT ended: 128 + 2.
const exitInterrupted = 130

func main() {
	holdHangups(os.Args)
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the program
		<-signals
		stop()
		<-signals // whoever asks twice does not want to wait
		os.Exit(exitInterrupted)
	}()
	os.Exit(run(ctx, os.Args, os.Environ(), os.Stdout, os.Stderr))
}

// holdHangups keeps a SIGHUP from ending a server that has not come to its settings yet, which it is about to read anyway. It
// returns where the signal goes, or nil for a command that serves nobody: it ends with its terminal.
func holdHangups(args []string) chan os.Signal {
	if len(args) < 2 || args[1] != "start" {
		return nil
	}
	held := make(chan os.Signal, 1)
	signal.Notify(held, syscall.SIGHUP)
	return held
}
