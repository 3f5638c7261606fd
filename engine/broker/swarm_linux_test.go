package broker

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// swarmEnv, if it is set, makes the test binary a swarm of clients instead: "address clients bytes-of-a-frame resumable".
const swarmEnv = "BROKER_TEST_SWARM"

// inFlight is how many messages may be in flight in the benchmarks.
const inFlight = 8

func TestMain(m *testing.M) {
	if what := os.Getenv(swarmEnv); what != "" {
		if err := runSwarm(what, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "swarm:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// swarm is a process with many clients that cost little: one thread reads from all of them and counts messages.
type swarm struct {
	command *exec.Cmd
	stdin   io.Closer // closing it ends the process
	stdout  *bufio.Reader
}

// startSwarm starts a swarm and returns when all clients are connected. They answer pings, and count frames of a number of bytes.
func startSwarm(tb testing.TB, address string, clients, frame int, resumable bool) *swarm {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	c := &swarm{command: exec.CommandContext(tb.Context(), self)}
	c.command.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %t", swarmEnv, address, clients, frame, resumable), "GOMAXPROCS=1")
	c.command.Stderr = os.Stderr
	stdout, err := c.command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	c.stdout = bufio.NewReader(stdout)
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		tb.Fatal(err)
	}
	c.await(tb)
	return c
}

// await waits until all clients have received one more message; the first time, until they are connected.
func (c *swarm) await(tb testing.TB) {
	tb.Helper()
	if _, err := c.stdout.ReadByte(); err != nil {
		tb.Fatalf("swarm: %v", err)
	}
}

func (c *swarm) stop(tb testing.TB) {
	tb.Helper()
	_ = c.stdin.Close()
	_ = c.command.Process.Kill()
	_ = c.command.Wait() // it was killed, so there is an error
}

// runSwarm connects clients and writes a byte when all are connected, and one for each message that all of them have received.
func runSwarm(what string, out io.Writer) error {
	var address string
	var clients, frame int
	var resumable bool
	if _, err := fmt.Sscan(what, &address, &clients, &frame, &resumable); err != nil {
		return err
	}
	epoll, err := syscall.EpollCreate1(0)
	if err != nil {
		return err
	}
	got := map[int32]*stream{} // by socket
	for range clients {
		fd, err := dialCheap(address, resumable)
		if err != nil {
			return err
		}
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
			return err
		}
		got[int32(fd)] = &stream{fd: fd}
	}
	if _, err := out.Write([]byte{0}); err != nil {
		return err
	}
	return countFrames(epoll, got, frame, out)
}

// stream counts the frames that one client of a swarm has received.
type stream struct {
	fd     int
	frames int    // messages
	part   []byte // the beginning of a frame whose rest has not come
}

// take counts the messages in bytes that were received, and answers pings.
func (s *stream) take(p []byte, frame int) error {
	if len(s.part) > 0 {
		p = append(s.part, p...)
	}
	for len(p) >= 2 {
		size := frame
		if p[0] == pingFrame {
			size = 2 + int(p[1])
		}
		if len(p) < size {
			break
		}
		if p[0] == pingFrame {
			if _, err := syscall.Write(s.fd, masked(pongFrame, p[2:size])); err != nil {
				return err
			}
		} else {
			s.frames++
		}
		p = p[size:]
	}
	s.part = append(s.part[:0], p...)
	return nil
}

func countFrames(epoll int, got map[int32]*stream, frame int, out io.Writer) error {
	var have [2 * inFlight]int // clients that have a message, by its number
	events := make([]syscall.EpollEvent, 512)
	p := make([]byte, 64<<10)
	for {
		n, err := syscall.EpollWait(epoll, events, -1)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		complete := 0
		for _, event := range events[:n] {
			n, err := syscall.Read(int(event.Fd), p)
			if err != nil || n <= 0 {
				return fmt.Errorf("read: %d, %w", n, err)
			}
			s := got[event.Fd]
			before := s.frames
			if err := s.take(p[:n], frame); err != nil {
				return err
			}
			for i := before; i < s.frames; i++ {
				slot := i % len(have)
				if have[slot]++; have[slot] == len(got) {
					have[slot] = 0
					complete++
				}
			}
		}
		if complete == 0 {
			continue
		}
		if _, err := out.Write(make([]byte, complete)); err != nil {
			return nil //nolint:nilerr // the benchmark has ended
		}
	}
}

// dialCheap opens a WebSocket and returns its file descriptor, without the buffers that a net.Conn and a WebSocket library have.
func dialCheap(address string, resumable bool) (int, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return 0, err
	}
	request := upgradeRequest(address)
	if resumable {
		request = strings.Replace(request, "\r\n", "\r\nSec-WebSocket-Protocol: perigee.v1\r\n", 1)
	}
	if _, err := syscall.Write(fd, []byte(request)); err != nil {
		return 0, err
	}
	var answer []byte
	p := make([]byte, 1024)
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		n, err := syscall.Read(fd, p)
		if n <= 0 || err != nil {
			return 0, fmt.Errorf("handshake: %q %w", answer, err)
		}
		answer = append(answer, p[:n]...)
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 101 ") {
		return 0, fmt.Errorf("handshake: %s", strconv.Quote(string(answer)))
	}
	return fd, nil
}
