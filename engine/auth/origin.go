package auth

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Origins are the web origins whose pages may connect. The zero value allows the server's own origin, and requests without
// an Origin header, which browsers always send.
type Origins struct {
	// Any allows every origin, which deserves a warning.
	Any bool
	// Required refuses requests without an Origin header.
	Required bool
	// Proxies are those whose X-Forwarded-Proto header is trusted. Behind a proxy that terminates TLS, the server's own origin
	// is https although its requests arrive over http. A trusted proxy may also leave the port out of Host, as nginx does with
	// "Host $host".
	Proxies Proxies

	exact     []site
	wildcards []wildcard // https://*.example.com
}

// wildcard is all origins whose host is one label followed by suffix.
type wildcard struct {
	site          // host is the parent
	suffix string // "." and the parent
}

// ParseOrigins parses a list of origins that are allowed besides the server's own: "https://app.example.com",
// "https://app.example.com:8443", "https://*.example.com" (one label in place of the asterisk), or "*" for any. The error
// names the entry.
func ParseOrigins(list []string) (Origins, error) {
	var o Origins
	for _, entry := range list {
		if err := o.add(entry); err != nil {
			return Origins{}, fmt.Errorf("origin %s: %w", quote(entry), err)
		}
	}
	return o, nil
}

func (o *Origins) add(entry string) error {
	if entry == "*" {
		o.Any = true
		return nil
	}
	if entry == "null" {
		return errors.New("stands for any page without an origin of its own and cannot be listed")
	}
	scheme, rest, found := strings.Cut(entry, "://*.")
	if !found {
		exact, err := parseOrigin(entry)
		if err != nil {
			return err
		}
		o.exact = append(o.exact, exact)
		return nil
	}
	parent, err := parseOrigin(scheme + "://" + rest)
	if err != nil {
		return err
	}
	if strings.HasPrefix(parent.host, "[") {
		return errors.New("an address has no names below it")
	}
	o.wildcards = append(o.wildcards, wildcard{site: parent, suffix: "." + parent.host})
	return nil
}

// Check returns nil if the page that the request comes from may connect, otherwise the reason for answering 403. A page
// may connect if its origin is listed or is the server's own, which is the Host header with the scheme of the request.
func (o Origins) Check(r *http.Request) error {
	lines := r.Header["Origin"]
	if len(lines) == 0 {
		if o.Required {
			return errors.New("origin: no Origin header")
		}
		return nil
	}
	if len(lines) > 1 {
		return fmt.Errorf("origin: %d Origin headers", len(lines))
	}
	if o.Any {
		return nil
	}
	// Sandboxed frames, files and some redirects send "null" (RFC 6454, 7.3); it does not parse, like any other word.
	origin, err := parseOrigin(lines[0])
	if err != nil {
		return fmt.Errorf("origin %s: %w", quote(lines[0]), err)
	}
	if o.isListed(origin) || o.isOwn(origin, r) {
		return nil
	}
	return fmt.Errorf("origin %s: not listed, and not the origin of host %s", quote(lines[0]), quote(r.Host))
}

func (o Origins) isListed(origin site) bool {
	if slices.Contains(o.exact, origin) {
		return true
	}
	for _, w := range o.wildcards {
		label, ok := strings.CutSuffix(origin.host, w.suffix)
		if ok && isLabel(label) && origin.scheme == w.scheme && origin.port == w.port {
			return true
		}
	}
	return false
}

// isOwn reports whether the origin is the server's. Behind a trusted proxy, what the proxy does not pass on is that of the
// origin: the scheme without X-Forwarded-Proto, the port if Host has none.
func (o Origins) isOwn(origin site, r *http.Request) bool {
	scheme := schemeHTTP
	if r.TLS != nil {
		scheme = schemeHTTPS
	}
	proxied := o.Proxies.trusts(peerAddr(r))
	if proxied {
		scheme = cmp.Or(forwardedScheme(r), origin.scheme)
	}
	server, err := parseSite(scheme, r.Host)
	if proxied && !hasPort(r.Host) {
		server.port = origin.port
	}
	return err == nil && origin == server
}

// forwardedScheme returns the scheme in X-Forwarded-Proto, or "" if there is none or it is unknown. Of several values the
// first is the client's. Some proxies send the schemes of WebSocket.
func forwardedScheme(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	switch strings.ToLower(strings.TrimSpace(first)) {
	case schemeHTTP, "ws":
		return schemeHTTP
	case schemeHTTPS, "wss":
		return schemeHTTPS
	default:
		return ""
	}
}
