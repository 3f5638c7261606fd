package engine_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/enginetest/redis"
	"perigee/engine/jobqueue"
	"perigee/engine/testkit"
)

// Jobs that a Laravel application dispatches run here with their data; an encrypted one is buried.
func TestLaravelDispatches(t *testing.T) {
	server, service := work(t, "", nil)
	host, port, err := net.SplitHostPort(server.Config.Queue.Address)
	if err != nil {
		t.Fatal(err)
	}
	dispatchAll(t, server, service, fmt.Sprintf(`{"driver":"beanstalkd","host":%q,"port":%s,"queue":"default","retry_after":90,"block_for":0}`, host, port))
}

// The same with the queue in Redis, under the prefix that Laravel gives its keys. A delayed job runs, too.
func TestLaravelDispatchesToRedis(t *testing.T) {
	r := redis.Start(t, redis.Options{})
	server, service := work(t, "", func(c *config.Config) {
		c.Queue.Driver, c.Queue.Address, c.Queue.Prefix = config.DriverRedis, r.Address, "giveaway_database_"
	})
	host, port, err := net.SplitHostPort(r.Address)
	if err != nil {
		t.Fatal(err)
	}
	connection := fmt.Sprintf(`{"driver":"redis","queue":"default","retry_after":90,"redis":{"options":{"prefix":"giveaway_database_"},`+
		`"default":{"host":%q,"port":%s,"database":0}}}`, host, port)
	dispatchAll(t, server, service, connection)
	alice := server.Dial(t, "late")
	alice.Expect("UpdatePrizes") // of the opening
	dispatch(t, connection, "job_delayed")
	if prizes, _ := alice.Expect("UpdatePrizes")["prizes"].([]any); len(prizes) != 1 {
		t.Errorf("after Laravel has dispatched job_delayed alice < prizes %v, want one", prizes)
	}
}

// dispatchAll lets Laravel dispatch jobs of all kinds to a connection.
func dispatchAll(t *testing.T, server *enginetest.Server, service jobqueue.Client, connection string) {
	t.Helper()
	alice := server.Dial(t, "alice")
	alice.Expect("UpdatePrizes") // of the opening
	for _, row := range []struct{ name, sponsor string }{
		{"fluent", "Acme"}, {"string_class", "Acme"}, {"job", ""}, {"string", "Acme"}, {"raw", "Acme"},
	} {
		dispatch(t, connection, row.name)
		prizes, _ := alice.Expect("UpdatePrizes")["prizes"].([]any)
		prize, _ := prizes[len(prizes)-1].(map[string]any)
		if prize["name"] != "Mug" || row.sponsor != "" && prize["sponsor"] != row.sponsor {
			t.Errorf("after Laravel has dispatched %s alice < prizes %v, want the mug of %s last", row.name, prizes, row.sponsor)
		}
	}
	dispatch(t, connection, "fluent_empty")
	if prizes, _ := alice.Expect("UpdatePrizes")["prizes"].([]any); len(prizes) > 0 {
		t.Errorf("after Laravel has dispatched fluent_empty alice < prizes %v, want none", prizes)
	}
	dispatch(t, connection, "encrypted")
	testkit.WaitFor(t, "the encrypted job to be buried", func() bool {
		n, err := service.Counts(t.Context(), "default")
		return err == nil && n.Buried == 1
	})
	logged(t, server, "encrypted", 1)
}

// dispatch lets a real Laravel dispatch one of the jobs of jobs.php to a connection, an entry of config/queue.php as JSON.
func dispatch(t *testing.T, connection, name string) {
	t.Helper()
	for _, needed := range []string{"/usr/bin/php", "/usr/share/php/Illuminate/autoload.php", "/usr/share/php/Pheanstalk/autoload.php", "/usr/share/php/Illuminate/Redis/RedisManager.php"} {
		_, err := os.Stat(needed)
		testkit.Need(t, err == nil, needed)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	command := exec.CommandContext(ctx, "/usr/bin/php", "queue/body/testdata/jobs.php", connection, name)
	command.Stderr = t.Output()
	if printed, err := command.Output(); err != nil || !strings.HasPrefix(string(printed), name+" ") {
		t.Fatalf("jobs.php %s prints %q, %v, want the ID of a job", name, printed, err)
	}
}
