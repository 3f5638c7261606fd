package auth

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// The schemes of web pages, and their default ports.
const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
	portHTTP    = 80
	portHTTPS   = 443
)

// maxHost is the longest host name, in bytes (RFC 1035, 2.3.4).
const maxHost = 253

// site is an origin, or the server as a client addressed it. Two are the same origin if all three fields are equal (RFC
// 6454, 5).
type site struct {
	scheme string
	host   string // lower case; IPv6 in brackets
	port   int
}

// parseOrigin parses an origin as browsers write it: scheme://host or scheme://host:port and nothing else (RFC 6454, 6.2).
func parseOrigin(text string) (site, error) {
	scheme, authority, ok := strings.Cut(text, "://")
	if !ok {
		return site{}, errors.New("not an origin; write for example https://app.example.com")
	}
	scheme = strings.ToLower(scheme)
	if scheme != schemeHTTP && scheme != schemeHTTPS {
		return site{}, errors.New("the scheme is neither http nor https")
	}
	return parseSite(scheme, authority)
}

// parseSite parses host or host:port. Without a port, it is the default port of the scheme.
func parseSite(scheme, authority string) (site, error) {
	defaultPort := portHTTP
	if scheme == schemeHTTPS {
		defaultPort = portHTTPS
	}
	host, port, err := splitPort(authority, defaultPort)
	if err != nil {
		return site{}, err
	}
	if host, err = parseHost(host); err != nil {
		return site{}, err
	}
	return site{scheme: scheme, host: host, port: port}, nil
}

// splitPort separates host and port. An IPv6 address must be in brackets, and keeps them (RFC 3986, 3.2.2).
func splitPort(authority string, fallback int) (host string, port int, err error) {
	if !hasPort(authority) {
		return authority, fallback, nil
	}
	colon := strings.LastIndexByte(authority, ':')
	number, err := strconv.ParseUint(authority[colon+1:], 10, 16)
	if err != nil || number == 0 {
		return "", 0, errors.New("the port is not a number from 1 to 65535")
	}
	return authority[:colon], int(number), nil
}

// hasPort reports whether host:port has a port. The colons of an IPv6 address are in brackets.
func hasPort(authority string) bool {
	return strings.Contains(authority, ":") && !strings.HasSuffix(authority, "]")
}

// parseHost validates a host name or address without port, and returns it in the form in which it is compared.
func parseHost(host string) (string, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(inner, "]") || !addr.Is6() || addr.Zone() != "" {
			return "", errors.New("not an IPv6 address in brackets")
		}
		return "[" + addr.String() + "]", nil
	}
	if host == "" || len(host) > maxHost {
		return "", errors.New("no host name, or one longer than 253 bytes")
	}
	host = strings.ToLower(host)
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return "", errors.New("not a host name; international names are written as xn--")
		}
	}
	return host, nil
}

// isLabel reports whether s is a label of a host name. Underscores are not allowed in host names (RFC 1123, 2.1), but
// browsers send them.
func isLabel(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// quote returns untrusted text for an error: at most 100 bytes, and without control characters for a terminal.
func quote(text string) string {
	const limit = 100
	if len(text) > limit {
		return strconv.QuoteToASCII(text[:limit]) + "..."
	}
	return strconv.QuoteToASCII(text)
}
