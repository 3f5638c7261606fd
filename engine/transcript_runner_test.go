package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"perigee/engine/enginetest"
)

// runTranscriptFile runs a file of frames that clients send and receive against a server. A line is one of
//
//	# a claim
//	alice > {"name":"Ring"}           alice sends this
//	alice < {"name":"Rang","by":"*"}  the next frame to alice has these members, and may have more
//	alice < nothing                   no frame is on its way to alice
//	alice < close 1000 reason         the server closes alice's connection
//	alice closes 4000 bye             alice closes it
//	bob comes                         bob is connected from here on
//	bob comes resumable               bob is connected, and can come back
//	bob loses                         bob's connection is lost
//	bob leaves                        bob's page is left or loaded anew
//	bob returns                       bob comes back, with what he remembers
//	bob returns fresh                 bob comes back as a page that was loaded anew
//
// A client connects when it is first named, and its ConnectionEstablished is skipped. $alice is alice's uuid in both directions.
// "*" stands for any value, null also for a member that is missing. The roster and the uptime, which come by the clock, are skipped; a line that expects one waits until
// one matches.
func runTranscriptFile(t *testing.T, s *enginetest.Server, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	runTranscript(t, s, file, 1, string(text))
}

// runTranscript runs a transcript that begins at a line of a file.
func runTranscript(t *testing.T, s *enginetest.Server, file string, first int, text string) {
	t.Helper()
	runner := &transcript{t: t, server: s, clients: map[string]*enginetest.Client{}}
	n := first - 1
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		runner.where = fmt.Sprintf("%s:%d: ", file, n)
		if err := runner.line(line); err != nil {
			t.Fatalf("%s%s: %v", runner.where, line, err)
		}
	}
}

type transcript struct {
	t       *testing.T
	server  *enginetest.Server
	clients map[string]*enginetest.Client
	where   string // the line that runs
}

func (p *transcript) line(line string) error {
	name, rest, _ := strings.Cut(line, " ")
	verb, text, _ := strings.Cut(strings.TrimSpace(rest), " ")
	text = strings.TrimSpace(text)
	c := p.clients[name]
	if c == nil {
		dial := p.server.Dial
		if verb == "comes" && text == "resumable" {
			dial = p.server.DialResumable
		}
		c = dial(p.t, name)
		p.clients[name] = c
	}
	c.Where = p.where
	switch verb {
	case ">":
		c.Send(p.expand(text))
		return nil
	case "<":
		return p.hears(c, p.expand(text))
	case "closes":
		code, reason, _ := strings.Cut(text, " ")
		number, err := strconv.Atoi(code)
		if err != nil {
			return err
		}
		c.Close(number, reason)
		return nil
	case "loses":
		p.server.Lose(c)
		return nil
	case "leaves":
		p.server.Leave(c)
		return nil
	case "returns":
		p.clients[name] = p.server.Resume(c, text == "fresh")
		return nil
	case "", "comes":
		return nil
	}
	return fmt.Errorf("%q is none of >, <, comes, closes, loses, leaves, returns", verb)
}

// expand puts UUIDs in the place of $names.
func (p *transcript) expand(text string) string {
	for name, c := range p.clients {
		text = strings.ReplaceAll(text, "$"+name, c.UUID)
	}
	return text
}

func (p *transcript) hears(c *enginetest.Client, text string) error {
	if text == "nothing" {
		c.ExpectNothing()
		return nil
	}
	if want, ok := strings.CutPrefix(text, "close "); ok {
		code, reason := c.ExpectClose()
		if got := strings.TrimSpace(fmt.Sprint(code, " ", reason)); got != want {
			return fmt.Errorf("got close %s, want close %s", got, want)
		}
		return nil
	}
	var want enginetest.Frame
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		return err
	}
	if enginetest.ComesByClock(want.Name()) {
		c.Eventually(want.Name(), func(f enginetest.Frame) bool {
			_, ok := includes(map[string]any(f), map[string]any(want))
			return ok
		})
		return nil
	}
	got := c.Expect(want.Name())
	if where, ok := includes(map[string]any(got), map[string]any(want)); !ok {
		return fmt.Errorf("got %v, which differs at %s", got, where)
	}
	return nil
}

// includes reports whether got has everything that want has, and names the first difference.
func includes(got, want any) (where string, ok bool) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return "", false
		}
		for key, value := range want {
			member, found := object[key]
			if !found && value != nil {
				return key, false
			}
			if where, ok := includes(member, value); !ok {
				return strings.TrimSuffix(key+"."+where, "."), false
			}
		}
		return "", true
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return "", false
		}
		for i := range want {
			if where, ok := includes(list[i], want[i]); !ok {
				return strings.TrimSuffix(strconv.Itoa(i)+"."+where, "."), false
			}
		}
		return "", true
	}
	return "", want == "*" || got == want
}
