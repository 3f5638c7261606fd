package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"perigee/engine/config"
	"perigee/engine/enginetest/beanstalkd"
	"perigee/engine/testkit"
)

// A server that is stopped again and again while jobs arrive ends in order each time. Every job takes effect once, and every client
// is told that the server goes away.
func TestStopsLoseNoJob(t *testing.T) {
	if testing.Short() {
		t.Skip("several starts of the server take some seconds")
	}
	stops, jobs := testkit.Scale(4, 100), testkit.Scale(2000, 20_000)
	clients, every := testkit.Scale(20, 1000), testkit.Scale(2, 10) // at every so many stops there are clients
	b := beanstalkd.Start(t, beanstalkd.Options{})
	queue := config.Queue{Driver: config.DriverBeanstalkd, Address: b.Address}
	s := newVictim(t, "--queue-address", b.Address)
	s.arguments = append(s.arguments, "--max-connections", "0")
	s.start(t)
	var produced, unsure atomic.Int64
	var producing sync.WaitGroup
	producing.Go(func() { produce(t, queue, jobs, &produced, &unsure) })
	var alone, crowded time.Duration // the longest stop
	for i := range stops {
		testkit.WaitFor(t, "jobs", func() bool {
			s.checkRunning(t)
			return produced.Load() >= int64(i*jobs/stops+rand.IntN(jobs/stops))
		})
		address, connected, longest := "ws://"+s.address(t), 0, &alone
		if i%every == 1 {
			connected, longest = clients, &crowded
		}
		told := make(chan error, clients)
		for range connected {
			awaitGoingAway(t, address, told)
		}
		began := time.Now()
		s.stop(t)
		*longest = max(*longest, time.Since(began))
		for range connected {
			if err := testkit.Receive(t, told, "end of a client"); err != nil {
				t.Error(err)
			}
		}
		s.start(t)
	}
	producing.Wait()
	s.finishJobs(t, queue)
	s.stop(t)
	missing, twice := s.effects(t, jobs)
	testkit.Measured(t, "%d stops, %d jobs: %d lost, %d took effect twice, exit code 0; the longest stop took %v, with %d clients %v",
		stops, jobs, len(missing), twice, alone.Round(time.Millisecond), clients, crowded.Round(time.Millisecond))
	if len(missing) > 0 || twice > int(unsure.Load()) {
		t.Errorf("of %d jobs %d took no effect and %d took effect twice, want each once", jobs, len(missing), twice)
	}
}

// awaitGoingAway connects a client that sends an error to told unless it is closed with 1001.
func awaitGoingAway(t *testing.T, address string, told chan<- error) {
	t.Helper()
	socket, _, err := websocket.DefaultDialer.DialContext(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer func() { _ = socket.Close() }()
		var err error
		for err == nil {
			_, _, err = socket.ReadMessage()
		}
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code == websocket.CloseGoingAway {
			err = nil
		} else {
			err = fmt.Errorf("a client of the server that stops: %w, want the code 1001", err)
		}
		told <- err
	}()
}
