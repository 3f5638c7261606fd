package engine_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/enginetest/laraveldb"
	"perigee/engine/testkit"
)

// Jobs that a Laravel application dispatches through its database run here, delayed ones when their time has come. Those that fail
// are in Laravel's list, from which it retries them.
func TestLaravelDatabase(t *testing.T) {
	for _, kind := range laraveldb.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			db := laraveldb.Start(t, kind)
			db.Migrate(t)
			server := enginetest.Start(t, func(c *config.Config) {
				c.Queue.Driver, c.Queue.DSN = config.DriverDatabase, config.Secret(db.DSN)
			})
			alice := server.Dial(t, "alice")
			alice.Expect("UpdatePrizes") // of the opening
			for n, delay := range []time.Duration{0, 3 * time.Second} {
				began := time.Now()
				db.Artisan(t, "dispatch", "AddPrize", fmt.Sprint(int(delay/time.Second)))
				prizes, _ := alice.Expect("UpdatePrizes")["prizes"].([]any)
				if len(prizes) != n+1 || time.Since(began) < delay-time.Second {
					t.Errorf("%v after a job with a delay of %v was dispatched, alice < %v, want %d prizes then", time.Since(began), delay, prizes, n+1)
				}
			}
			db.Artisan(t, "dispatch", "Unknown")
			uuid := awaitFailed(t, db, 1)
			listed := db.Artisan(t, "queue:failed")
			if want := regexp.MustCompile(uuid + ` *\| database *\| default *\| App.+Unknown *\|`); !want.MatchString(listed) {
				t.Errorf("queue:failed prints %s, want the job", listed)
			}
			db.Artisan(t, "queue:retry", uuid)
			if again := awaitFailed(t, db, 2); again != uuid {
				t.Errorf("the job that Laravel has retried failed as %s, want %s", again, uuid)
			}
			db.Artisan(t, "queue:forget", uuid)
			if listed := db.Artisan(t, "queue:failed"); !strings.Contains(listed, "No failed jobs") {
				t.Errorf("queue:failed prints %s, want none", listed)
			}
			if log := server.Log(); strings.Contains(log, laraveldb.Password) {
				t.Errorf("the log shows the password: %s", log)
			}
		})
	}
}

// awaitFailed waits until the last job has failed whose number in failed_jobs is at least id, and returns its UUID.
func awaitFailed(t *testing.T, db *laraveldb.Server, id int) string {
	t.Helper()
	var uuids []string
	testkit.WaitFor(t, "the job to fail", func() bool {
		uuids = db.Rows(t, fmt.Sprintf("SELECT uuid FROM failed_jobs WHERE id >= %d AND exception LIKE 'Perigee job %%'", id))
		return len(uuids) > 0
	})
	return slices.Max(uuids)
}
