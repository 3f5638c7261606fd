package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"perigee/cmd/perigee/report"
	"perigee/engine/enginetest/redis"
	"perigee/engine/testkit"
)

// The commands about the queue work with Redis, without its password in any output; options that Redis does not have are errors that say
// so. check names the keys, and another prefix under which there are jobs.
func TestQueueInRedis(t *testing.T) {
	t.Chdir(t.TempDir())
	const secret = "S3CRET-canary"
	r := redis.Start(t, redis.Options{Settings: []string{"--requirepass", secret}, Password: secret})
	environ := []string{
		"SERVER_QUEUE_DRIVER=redis", "SERVER_QUEUE_ADDRESS=redis://:" + secret + "@" + r.Address, "SERVER_QUEUE_PREFIX=shop_",
	}
	if _, err := r.Do("RPUSH", "other_queues:default", "x"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args           string
		code           int
		stdout, stderr string // regular expressions
	}{
		{"push AddPrize", 0, `^job \d{10,} is in "default"\n$`, "^$"},
		{"push --delay 1h ResetPrizes", 0, `^job \d+ is in "default"\n$`, "^$"},
		{"push --priority 7 AddPrize", 1, "^$", "jobs have no priorities"},
		{"push --ttr 60s AddPrize", 1, "^$", "queue.retry_after is that of all"},
		{"queue stats", 0, `^queue +default\nready +1\ndelayed +1\nreserved +0\nburied +0\n$`, "^$"},
		{"queue peek", 0, `^job +\d+\nqueue +default\nstate +ready\npriority +1024\nreserves +0\nreleases +0\nbody +\{"job":"AddPrize","id":"\w+","attempts":0\}\n$`, "^$"},
		{"queue peek 7", 1, "^$", "there is no job 7"},
		{"queue kick", 0, "^made ready again in \"default\": 1\n$", "^$"},
		{"queue delete 7", 1, "^$", "there is no job 7"},
		{"check", 0, `(?m)^note: redis: jobs are taken from the keys shop_queues:default, (?s:.*)^warning: queue.prefix is "shop_".* prefix = "other_"$`, ""},
	} {
		code, stdout, stderr := perigee(t, environ, strings.Fields(row.args)...)
		if code != row.code || !regexp.MustCompile(row.stdout).MatchString(stdout) || !regexp.MustCompile(row.stderr).MatchString(stderr) {
			t.Errorf("perigee %s = %d, %q, %q, want %d, %s, %s", row.args, code, stdout, stderr, row.code, row.stdout, row.stderr)
		}
		if strings.Contains(stdout+stderr, secret) {
			t.Errorf("perigee %s prints %q, %q, want no password", row.args, stdout, stderr)
		}
	}
}

// A job that fails in a server with its queue in Redis is buried, and can be shown with its reason, kicked and deleted by its number.
func TestBuriedInRedis(t *testing.T) {
	t.Chdir(t.TempDir())
	r := redis.Start(t, redis.Options{})
	_, runtime := runtimeDir(t)
	environ := append(runtime, "SERVER_QUEUE_DRIVER=redis", "SERVER_QUEUE_ADDRESS="+r.Address)
	start(t, environ, "-C", "redis")
	_, pushed, _ := perigee(t, environ, "push", "Nowhere")
	number := regexp.MustCompile(`\d+`).FindString(pushed)
	var job report.Job
	testkit.WaitFor(t, "the job to be buried", func() bool {
		code, stdout, _ := perigee(t, environ, "queue", "peek", "--json", number)
		return code == 0 && json.Unmarshal([]byte(stdout), &job) == nil && job.State == "buried"
	})
	if !strings.Contains(job.Reason, `unknown command "Nowhere"`) || job.Age != -1 {
		t.Errorf("queue peek = %+v, want the reason, and no age", job)
	}
	if _, stdout, _ := perigee(t, environ, "queue", "peek", number); !regexp.MustCompile(`(?m)^reason +.*Nowhere`).MatchString(stdout) {
		t.Errorf("queue peek = %s, want the reason", stdout)
	}
	if code, stdout, stderr := perigee(t, environ, "queue", "delete", number); code != 0 || stdout != "deleted job "+number+"\n" {
		t.Errorf("queue delete = %d, %q, %q, want it deleted", code, stdout, stderr)
	}
}
