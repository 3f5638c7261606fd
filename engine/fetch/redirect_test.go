package fetch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// IsPrivate holds for the addresses that a public server must not redirect to, and not for some that it may.
func TestIsPrivate(t *testing.T) {
	private := `0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1
		172.31.255.255 192.0.0.1 192.0.2.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
		239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1
		64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::1 2002:c0a8:101::1 fc00::1 fd12::1
		fe80::1 fe80::1%eth0 fec0::1 ff02::1`
	for text := range strings.FieldsSeq(private) {
		if !IsPrivate(netip.MustParseAddr(text)) {
			t.Errorf("IsPrivate(%s) = false, want true", text)
		}
	}
	public := `1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.1.1 172.15.1.1
		172.32.0.0 192.0.1.1 192.167.1.1 198.17.1.1 198.20.0.0 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::808:808
		2002:808:808::1 2001:4860:4860::8888 2606:4700::1111`
	for text := range strings.FieldsSeq(public) {
		if IsPrivate(netip.MustParseAddr(text)) {
			t.Errorf("IsPrivate(%s) = true, want false", text)
		}
	}
	if !IsPrivate(netip.Addr{}) {
		t.Error("IsPrivate(no address) = false, want true")
	}
}

// network has a public and a private server: here 127.0.0.1 counts as public and 127.0.0.2 as private. /to?URL redirects to the URL.
type network struct {
	client          *Client
	public, private string
	reached         *atomic.Int32 // requests to private
}

func newNet(t *testing.T, change func(o *Options)) network {
	t.Helper()
	reached := &atomic.Int32{}
	handler := func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Context().Value(http.LocalAddrContextKey).(net.Addr).String())
		if host == "127.0.0.2" {
			reached.Add(1)
		}
		switch r.URL.Path {
		case "/to":
			http.Redirect(w, r, r.URL.RawQuery, http.StatusFound)
		case "/count":
			if n, _ := strconv.Atoi(r.URL.RawQuery); n > 0 {
				http.Redirect(w, r, fmt.Sprintf("/count?%d", n-1), http.StatusTemporaryRedirect)
				return
			}
			_, _ = io.Copy(w, r.Body)
		default:
			_, _ = io.WriteString(w, "arrived")
		}
	}
	n := network{
		client: newClient(t, change),
		public: serve(t, "127.0.0.1", handler).URL, private: serve(t, "127.0.0.2", handler).URL,
		reached: reached,
	}
	n.client.isPrivate = func(addr netip.Addr) bool { return addr == netip.MustParseAddr("127.0.0.2") }
	return n
}

// A public server cannot redirect a request to a private address. A request to a private address may be redirected to another one.
func TestRedirectToPrivate(t *testing.T) {
	const refused = "redirect to a private address"
	n := newNet(t, nil)
	expect(t, n.client, Request{URL: n.public + "/to?" + n.public}, "")
	expect(t, n.client, Request{URL: n.public + "/to?" + n.private}, refused)
	expect(t, n.client, Request{URL: n.public + "/to?/to?" + n.private}, refused)
	if count := n.reached.Load(); count != 0 {
		t.Errorf("the private server got %d requests, want 0", count)
	}
	// Nor over an idle connection of an earlier request.
	expect(t, n.client, Request{URL: n.private}, "")
	expect(t, n.client, Request{URL: n.public + "/to?" + n.private}, refused)
	expect(t, n.client, Request{URL: n.private + "/to?" + n.private}, "")
	expect(t, n.client, Request{URL: n.private + "/to?" + n.public + "/to?" + n.private}, "")

	n = newNet(t, func(o *Options) { o.RedirectsToPrivate = true })
	expect(t, n.client, Request{URL: n.public + "/to?" + n.private}, "")
}

// The addresses of this machine are refused, however they are written.
func TestRedirectToLoopback(t *testing.T) {
	n := newNet(t, nil)
	port := n.public[strings.LastIndex(n.public, ":"):]
	n.client.isPrivate = func(addr netip.Addr) bool { return IsPrivate(addr) && addr != netip.MustParseAddr("127.0.0.1") }
	for _, host := range []string{"127.1.2.3", "[::1]", "[::ffff:127.0.0.2]", "0.0.0.0", "[::]", "169.254.169.254", "10.0.0.1"} {
		expect(t, n.client, Request{URL: n.public + "/to?http://" + host + port}, "redirect to a private address")
	}
}

// Redirects are limited, keep the body, and lead to http and https only.
func TestRedirects(t *testing.T) {
	n := newNet(t, nil)
	r := Request{Method: "POST", URL: n.public + "/count?5", Body: []byte("body")}
	if got := expect(t, n.client, r, ""); string(got.Body) != "body" {
		t.Errorf("body after 5 redirects = %q, want body", got.Body)
	}
	expect(t, n.client, Request{URL: n.public + "/count?6"}, "too many redirects")
	expect(t, n.client, Request{URL: n.public + "/to?file:///etc/passwd"}, "neither http nor https")
	expect(t, n.client, Request{URL: n.public + "/to?gopher://127.0.0.1/"}, "neither http nor https")
}

// A name that resolves to a public address first and to a private one later is refused.
func TestRebinding(t *testing.T) {
	n := newNet(t, nil)
	var asked atomic.Int32
	resolver := &net.Resolver{PreferGo: true, Dial: dns(t, func() netip.Addr {
		if asked.Add(1) == 1 {
			return netip.MustParseAddr("127.0.0.1")
		}
		return netip.MustParseAddr("127.0.0.2")
	})}
	n.client.unrestricted = newTransport(&net.Dialer{Resolver: resolver})
	n.client.publicOnly = newTransport(&net.Dialer{Resolver: resolver, Control: n.client.checkAddress})
	name := "http://rebind.test" + n.public[strings.LastIndex(n.public, ":"):]
	expect(t, n.client, Request{URL: name + "/to?" + name}, "redirect to a private address")
	if asked.Load() < 2 {
		t.Errorf("the name was looked up %d times, want it to be asked for again", asked.Load())
	}
	if count := n.reached.Load(); count != 0 {
		t.Errorf("the private server got %d requests, want 0", count)
	}
}

// dns answers every question for an IPv4 address with what answer returns (RFC 1035, 4.1).
func dns(t *testing.T, answer func() netip.Addr) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	server, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			question := make([]byte, 512)
			_, from, err := server.ReadFrom(question)
			if err != nil {
				return
			}
			end := 12
			for question[end] != 0 {
				end += int(question[end]) + 1
			}
			end += 5
			reply := append([]byte{}, question[:end]...)
			copy(reply[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
			if question[end-3] == 1 { // type A
				reply[7] = 1
				addr := answer().As4()
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				reply = append(reply, addr[:]...)
			}
			if _, err := server.WriteTo(reply, from); err != nil {
				return
			}
		}
	}()
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}
}
