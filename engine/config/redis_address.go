package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// RedisAddress is where a Redis server is.
type RedisAddress struct {
	// Network is tcp or unix, and Hosts are addresses of servers of a cluster or of sentinels, each host:port, or one socket.
	Network string
	Hosts   []string
	// Master is the name by which sentinels know the server. "" means that Hosts are no sentinels.
	Master string
	// TLS is set if the connection is encrypted.
	TLS bool

	User, Password string
	Database       int
}

var errNotRedisAddress = errors.New(`is not the address of a Redis server; write for example "127.0.0.1:6379", "unix:///run/redis.sock", ` +
	`"redis://user:password@host:6379/0", or rediss:// for TLS`)

const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// ParseRedisAddress reads an address: host:port; the path of a socket, with or without unix:// before it; redis:// or rediss:// with
// user, password, hosts and the number of the database; or redis-sentinel:// or rediss-sentinel://, with the master's name before that
// number. The error does not repeat the address, which may contain a password.
func ParseRedisAddress(text string) (RedisAddress, error) {
	scheme, rest, isURL := strings.Cut(text, "://")
	if path := dialed(text); filepath.IsAbs(path) {
		return RedisAddress{Network: "unix", Hosts: []string{path}}, checkDial(path)
	}
	if !isURL {
		scheme, rest = "redis", text
	}
	a := RedisAddress{Network: "tcp", TLS: strings.HasPrefix(scheme, "rediss")}
	var err error
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if a.User, a.Password, err = userAndPassword(rest[:at]); err != nil {
			return RedisAddress{}, errNotRedisAddress
		}
		rest = rest[at+1:]
	}
	hosts, path, _ := strings.Cut(rest, "/")
	port := redisPort
	switch strings.TrimPrefix(strings.TrimPrefix(scheme, "rediss"), "redis") {
	case "":
	case "-sentinel":
		port = sentinelPort
		if a.Master, path, _ = strings.Cut(path, "/"); a.Master == "" {
			return RedisAddress{}, errors.New("the name of the master is missing; write for example \"redis-sentinel://host:26379/mymaster/0\"")
		}
	default:
		return RedisAddress{}, errNotRedisAddress
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if isURL && !hasPort(host) {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		if checkDial(host) != nil {
			return RedisAddress{}, errNotRedisAddress
		}
		a.Hosts = append(a.Hosts, host)
	}
	if path != "" {
		if a.Database, err = strconv.Atoi(path); err != nil || a.Database < 0 {
			return RedisAddress{}, fmt.Errorf("the number of the database is wrong: %s", show(path))
		}
	}
	return a, nil
}

// hasPort reports whether an address ends with a port.
func hasPort(host string) bool {
	_, _, err := net.SplitHostPort(host)
	return err == nil
}

// userAndPassword reads the part of a URL before the @. In Redis, a password without a user is that of the default user.
func userAndPassword(text string) (user, password string, err error) {
	user, password, _ = strings.Cut(text, ":")
	user, errUser := url.PathUnescape(user)
	password, errPassword := url.PathUnescape(password)
	return user, password, errors.Join(errUser, errPassword)
}

// isRedisURL reports whether an address is a URL with a scheme of Redis.
func isRedisURL(address string) bool {
	return strings.HasPrefix(address, "redis") && strings.Contains(address, "://")
}

// withoutPassword replaces the user and password of a URL by ***. It returns any other address as it is.
func withoutPassword(address string) string {
	before, rest, isURL := strings.Cut(address, "://")
	if at := strings.LastIndexByte(rest, '@'); isURL && at >= 0 {
		return before + "://***" + rest[at:]
	}
	return address
}
