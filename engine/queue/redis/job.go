package redis

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"perigee/engine/queue"
)

// job is a job as its text in Redis says.
type job struct {
	member   string // the text
	body     string // what was put; for Laravel's jobs the text itself
	id       string // its ID, or the whole text of a job without one
	attempts int    // how often it was reserved
	crashes  int    // of these, how often its time was over
}

// Our form of jobs that are not Laravel's: perigee:ID:ATTEMPTS:CRASHES:BODY. Scripts write and read it, too.
const wrapper = "perigee:"

// lastMembers are the members that Laravel writes last. What stands at the end of a valid object cannot stand in a string.
var lastMembers = sync.OnceValue(func() *regexp.Regexp { //nolint:gochecknoglobals // compiled once, when first needed
	return regexp.MustCompile(`[,{]"id":"([0-9A-Za-z-]+)","attempts":([0-9]{1,9})(?:,"crashes":([0-9]{1,9}))?}$`)
})

// readJob reads the text of a job.
func readJob(member string) job {
	j := job{member: member, body: member, id: member}
	if parts := strings.SplitN(strings.TrimPrefix(member, wrapper), ":", 4); strings.HasPrefix(member, wrapper) && len(parts) == 4 {
		j.id, j.attempts, j.crashes, j.body = parts[0], number(parts[1]), number(parts[2]), parts[3]
		return j
	}
	const tail = 121 // bytes that are enough for them
	if last := lastMembers().FindStringSubmatch(member[max(0, len(member)-tail):]); last != nil {
		j.id, j.attempts, j.crashes = last[1], number(last[2]), number(last[3])
		return j
	}
	var object struct {
		ID       string
		Attempts int
		Crashes  int
	}
	if json.Unmarshal([]byte(member), &object) == nil && object.ID != "" {
		j.id, j.attempts, j.crashes = object.ID, object.Attempts, object.Crashes
	}
	return j
}

// number returns the number that a text of digits says, or 0.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// number is how operators name the job: a part of the hash of its ID, which JSON and Lua hold exactly.
func (j job) number() uint64 {
	hash := sha256.Sum256([]byte(j.id))
	return binary.BigEndian.Uint64(hash[:]) >> 12
}

// hash tells jobs with the same number apart.
func (j job) hash() uint64 {
	hash := sha256.Sum256([]byte(j.id))
	return binary.BigEndian.Uint64(hash[8:]) | 1
}

// stats returns the statistics of a job. A crash is no attempt.
func (j job) stats(name, state string) queue.Stats {
	return queue.Stats{
		Queue: name, State: state, Priority: queue.DefaultPriority, Age: queue.UnknownAge,
		Reserves: j.attempts, Releases: max(0, j.attempts-1-j.crashes),
	}
}

// withMembers adds Laravel's members to a body that a Laravel application could have put, so that its worker could run it; it
// wraps any other.
func withMembers(body []byte, id string) job {
	var object map[string]json.RawMessage
	err := json.Unmarshal(body, &object)
	text := strings.TrimSpace(string(body))
	_, hasID := object["id"]
	_, hasAttempts := object["attempts"]
	var name string
	if err == nil && json.Unmarshal(object["job"], &name) == nil && !hasID && !hasAttempts {
		return readJob(strings.TrimSuffix(text, "}") + `,"id":"` + id + `","attempts":0}`)
	}
	return readJob(wrapper + id + ":0:0:" + string(body))
}
