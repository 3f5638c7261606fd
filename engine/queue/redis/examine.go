package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gomodule/redigo/redis"
)

// maxScanned bounds how many keys Examine looks at, about.
const maxScanned = 1_000_000

// Examine looks at the keys of a server. notes say which keys belong to a queue; warnings name keys of a queue with the same name under
// another prefix.
func Examine(ctx context.Context, s Settings, name string) (notes, warnings []string) {
	k := keysOf(s.Prefix, name)
	notes = []string{fmt.Sprintf("redis: jobs are taken from the keys %s, %s and %s", k.ready, k.delayed, k.reserved)}
	c := NewClient(s)
	defer func() { _ = c.Close() }()
	var others []string
	_, err := c.do(ctx, name, func(conn *connection) (err error) {
		others, err = conn.otherPrefixes(name)
		return err
	})
	if err != nil {
		return append(notes, fmt.Sprintf("the queue cannot be examined: %v", err)), nil
	}
	for _, prefix := range others {
		if prefix != s.Prefix {
			warnings = append(warnings, fmt.Sprintf("queue.prefix is %q, but there are jobs of the queue %q under the prefix %q, which are not taken; "+
				"if they are for this server, write prefix = %q", s.Prefix, name, prefix, prefix))
		}
	}
	return notes, warnings
}

// otherPrefixes returns the prefixes under which the server has a queue with a name.
func (c *connection) otherPrefixes(name string) (prefixes []string, err error) {
	pattern := "*queues:" + strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`).Replace(name) + "*"
	const count = 1000
	cursor := "0"
	for range maxScanned / count {
		page, err := redis.Values(c.Do("SCAN", cursor, "MATCH", pattern, "COUNT", count))
		if err != nil {
			return nil, c.translate(err)
		}
		var found []string
		if _, err := redis.Scan(page, &cursor, &found); err != nil {
			return nil, c.translate(err)
		}
		for _, key := range found {
			before, after, _ := strings.Cut(key, "queues:"+name)
			if slices.Contains([]string{"", ":delayed", ":reserved"}, after) && !slices.Contains(prefixes, before) {
				prefixes = append(prefixes, before)
			}
		}
		if cursor == "0" {
			break
		}
	}
	slices.Sort(prefixes)
	return prefixes, nil
}
