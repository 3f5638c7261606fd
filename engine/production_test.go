package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/testkit"
)

// documentBlock returns the block of the documents in a language that begins with a comment that names its file.
func documentBlock(t *testing.T, language, file string) string {
	t.Helper()
	for _, document := range enginetest.Guides(t) {
		for _, section := range document.Sections {
			for _, b := range section.All(language) {
				if strings.HasPrefix(b.Text, "# "+file+"\n") {
					return b.Text
				}
			}
		}
	}
	t.Fatalf("no document has a block in %s for %s", language, file)
	return ""
}

// tool returns the path of a program. If it is missing, the test is skipped, or fails under CI=true.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	testkit.Need(t, false, name)
	return ""
}

// put replaces a part of a text that must occur exactly once.
func put(t *testing.T, text, old, with string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("%q is %d times in\n%s\nwant it once", old, n, text)
	}
	return strings.Replace(text, old, with, 1)
}

// startNginx runs nginx with a site until the test ends, and waits until it listens.
func startNginx(t *testing.T, site string) {
	t.Helper()
	directory := t.TempDir()
	main := "daemon off;\nmaster_process off;\npid " + directory + "/pid;\nerror_log stderr notice;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += kind + "_temp_path " + directory + "/" + kind + ";\n"
	}
	write(t, directory, map[string]string{"nginx.conf": main + "include " + directory + "/site.conf;\n}\n", "site.conf": site})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, tool(t, "nginx"), "-p", directory, "-c", filepath.Join(directory, "nginx.conf"))
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	listening, ended := make(chan struct{}), make(chan struct{})
	var output strings.Builder // read only after ended
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			fmt.Fprintln(&output, lines.Text())
			if strings.Contains(lines.Text(), "[notice]") && strings.Contains(lines.Text(), "nginx/") { // nginx logs its version once it listens
				close(listening)
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		_ = command.Wait() // it was killed
	})
	select {
	case <-listening:
	case <-ended:
		t.Fatalf("nginx has ended:\n%s", output.String())
	}
}

// dialNginx opens a WebSocket of a page of the site that nginx serves at front.
func dialNginx(t *testing.T, client, front, path string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	dialer := websocket.Dialer{HandshakeTimeout: testkit.Timeout, NetDialContext: from.DialContext}
	header := http.Header{"Origin": {"http://" + front}, "X-Forwarded-For": {"192.0.2.1"}} // which a client can claim
	return dialer.DialContext(t.Context(), "ws://"+front+path, header)
}

// wantAddress reads the first frame of a WebSocket, which must say that the client has an address.
func wantAddress(t *testing.T, socket *websocket.Conn, address string) {
	t.Helper()
	defer socket.Close()
	_, text, err := socket.ReadMessage()
	var first struct {
		Connection struct {
			Address string `json:"ip_address"`
		} `json:"connection"`
	}
	if err != nil || json.Unmarshal(text, &first) != nil || first.Connection.Address != address {
		t.Errorf("first frame through nginx = %s, %v, want a connection from %q", text, err, address)
	}
}

// With the nginx site of the documents, a page of its origin can connect, and the server sees the address of the client instead of
// that of nginx. The header fields in the site are necessary; if those of the upgrade are missing, answer and log say so.
func TestDocumentNginx(t *testing.T) {
	site := documentBlock(t, "nginx", "/etc/nginx/conf.d/perigee.conf")
	settings := documentBlock(t, "toml", "/srv/perigee/server.toml")
	if want := `trusted_proxies = ["127.0.0.1"]`; !strings.Contains(settings, want) {
		t.Fatalf("the server.toml of the documents is\n%s\nwant it to have %s", settings, want)
	}
	const client = "127.0.0.2"
	for _, row := range []struct{ name, old, with, address string }{
		{"as it stands", "", "", client},
		{"without the port in Host", "Host $http_host", "Host $host", client},
		{"without Upgrade", "Upgrade $http_upgrade", `Upgrade ""`, ""},
		{"without Connection", "Connection $connection_upgrade", "Connection close", ""},
		{"without X-Forwarded-For", "X-Forwarded-For $proxy_add_x_forwarded_for", `X-Forwarded-For ""`, "127.0.0.1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := enginetest.Start(t, func(c *config.Config) { c.Server.TrustedProxies = []string{"127.0.0.1"} })
			front := testkit.ReservePort(t)
			changed := put(t, site, "listen 80;", "listen "+front+";")
			changed = put(t, changed, "http://127.0.0.1:8080", strings.TrimSuffix(server.URL, "/"))
			if row.old != "" {
				changed = put(t, changed, row.old, row.with)
			}
			startNginx(t, changed)
			for range 2 {
				socket, response, err := dialNginx(t, client, front, "/any/path")
				switch {
				case err == nil:
					wantAddress(t, socket, row.address)
				case row.address != "" || response == nil || response.StatusCode != http.StatusUpgradeRequired:
					t.Fatalf("a WebSocket through nginx: %v, %v, want one from %q, or 426", err, response, row.address)
				}
			}
			warnings := strings.Count(server.Log(), "proxy=127.0.0.1 remedy=")
			want := 0
			if row.address == "" {
				want = 1
			}
			if warnings != want {
				t.Errorf("%d warnings of nginx, want %d:\n%s", warnings, want, server.Log())
			}
		})
	}
}

// The location of the nginx configuration of artisansdk/server works, on another port than 80 too.
func TestOriginalNginx(t *testing.T) {
	server := enginetest.Start(t, func(c *config.Config) { c.Server.TrustedProxies = []string{"127.0.0.1"} })
	front := testkit.ReservePort(t)
	startNginx(t, "server {\nlisten "+front+";\nlocation /server/ {\nproxy_pass "+strings.TrimSuffix(server.URL, "/")+`;
		proxy_set_header X-Real-IP $remote_addr;
		proxy_set_header Host $host;
		proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		proxy_read_timeout 5m;
		proxy_http_version 1.1;
		proxy_set_header Upgrade $http_upgrade;
		proxy_set_header Connection "upgrade";
	}}`)
	socket, response, err := dialNginx(t, "127.0.0.2", front, "/server/")
	if err != nil {
		t.Fatalf("a WebSocket through nginx: %v, %v, want one", err, response)
	}
	wantAddress(t, socket, "127.0.0.2")
}

// nginx with nothing but proxy_pass speaks HTTP/1.0 and adds no header: a WebSocket gets 426 and one warning, and the metrics are
// not open to whoever comes through it.
func TestBareNginx(t *testing.T) {
	server := enginetest.Start(t, nil)
	front := testkit.ReservePort(t)
	startNginx(t, "server {\nlisten "+front+";\nlocation / {\nproxy_pass "+strings.TrimSuffix(server.URL, "/")+";\nproxy_http_version 1.0;\n}}\n")
	for range 2 {
		if _, response, err := dialNginx(t, "127.0.0.2", front, "/"); err == nil || response == nil || response.StatusCode != http.StatusUpgradeRequired {
			t.Fatalf("a WebSocket through nginx: %v, %v, want 426", err, response)
		}
	}
	if n := strings.Count(server.Log(), "proxy=127.0.0.1 remedy="); n != 1 {
		t.Errorf("%d warnings of nginx, want 1:\n%s", n, server.Log())
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+front+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET /metrics through nginx = %s, want 401", response.Status)
	}
}

// systemd accepts the unit of the documents.
func TestDocumentUnit(t *testing.T) {
	unit := documentBlock(t, "ini", "/etc/systemd/system/perigee.service")
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	file := filepath.Join(t.TempDir(), "perigee.service")
	unit = strings.ReplaceAll(unit, "/usr/local/bin/perigee", os.Args[0])
	if err := os.WriteFile(file, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
	if err != nil || len(said) > 0 {
		t.Errorf("systemd-analyze verify = %v: %s", err, said)
	}
}
