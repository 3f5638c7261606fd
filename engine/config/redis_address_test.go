package config

import (
	"reflect"
	"strings"
	"testing"
)

// Addresses of Redis servers are read in all their forms.
func TestParseRedisAddress(t *testing.T) {
	for text, want := range map[string]RedisAddress{
		"cache:6379":                   {Network: "tcp", Hosts: []string{"cache:6379"}},
		"/run/redis.sock":              {Network: "unix", Hosts: []string{"/run/redis.sock"}},
		"unix:///run/redis.sock":       {Network: "unix", Hosts: []string{"/run/redis.sock"}},
		"redis://cache":                {Network: "tcp", Hosts: []string{"cache:6379"}},
		"redis://[::1]/2":              {Network: "tcp", Hosts: []string{"[::1]:6379"}, Database: 2},
		"redis://:p%40ss@cache:7000/3": {Network: "tcp", Hosts: []string{"cache:7000"}, Password: "p@ss", Database: 3},
		"rediss://me:a:b@c@cache":      {Network: "tcp", Hosts: []string{"cache:6379"}, User: "me", Password: "a:b@c", TLS: true},
		"redis://a:7000,b:7001,c":      {Network: "tcp", Hosts: []string{"a:7000", "b:7001", "c:6379"}},
		"redis-sentinel://a,b:1/main":  {Network: "tcp", Hosts: []string{"a:26379", "b:1"}, Master: "main"},
		"rediss-sentinel://:p@a/main/4": {
			Network: "tcp", Hosts: []string{"a:26379"}, Master: "main", Password: "p", Database: 4, TLS: true,
		},
	} {
		got, err := ParseRedisAddress(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseRedisAddress(%s) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "cache", "redis://", "redis://S3CRET@cache:x", "redis://cache/S3CRET", "redisx://S3CRET@cache", "redis-sentinel://S3CRET@cache",
		"redis://%zzS3CRET@cache", "redis://cache/-1",
	} {
		got, err := ParseRedisAddress(text)
		if err == nil {
			t.Errorf("ParseRedisAddress(%s) = %+v, want an error", text, got)
		} else if strings.Contains(err.Error(), "S3CRET@") {
			t.Errorf("ParseRedisAddress(%s) = %v, want an error without the password", text, err)
		}
	}
}

// What a reload would change shows no password of an address.
func TestReloadOfAddressHidesPassword(t *testing.T) {
	before, next := Default(), Default()
	before.Queue.Address, next.Queue.Address = "redis://:S3CRET@old", "redis://me:S3CRET@new"
	_, _, changes := before.Reload(next)
	want := []Change{{Name: "queue.address", Before: "redis://***@old", After: "redis://***@new"}}
	if !reflect.DeepEqual(changes, want) {
		t.Errorf("Reload = %v, want %v", changes, want)
	}
}

// Redis has another default address than beanstalkd, and names of queues that beanstalkd refuses.
func TestRedisSettings(t *testing.T) {
	c := load(t, Source{Env: []string{"SERVER_QUEUE_DRIVER=redis", "SERVER_QUEUE={orders}:high"}})
	if got := c.Queue.Dialed(); got != "127.0.0.1:6379" || c.Queue.Name != "{orders}:high" {
		t.Errorf("the address is %s and the queue %s, want Redis's port and the name", got, c.Queue.Name)
	}
}
