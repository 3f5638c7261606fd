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
