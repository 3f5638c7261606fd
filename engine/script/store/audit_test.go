package store

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// findings returns an audit of a store, and what it reports: "fault by handler handler".
func findings(s *Store, o AuditOptions) (*Audit, *[]string) {
	reported := &[]string{}
	o.Report = func(f Finding) {
		text := f.Err.Error() + " by"
		for _, h := range f.Handlers {
			text += " " + h.Name
		}
		if f.Others {
			text += " and others"
		}
		*reported = append(*reported, text)
	}
	return NewAudit(s, o), reported
}

// A value that cannot be saved is reported once, with the handler that has just run; after it was corrected, it counts as new.
func TestAudit(t *testing.T) {
	s, l := storeWith(t, `return { bad = {}, good = { x = 1 } }`)
	audit, reported := findings(s, AuditOptions{})
	for _, turn := range []struct{ handler, source string }{
		{"First", `good.x = 2`},
		{"Ring", `bad.y = { print }`},
		{"Other", `good.x = 3`},
		{"Mend", `bad.y = nil`},
		{"Again", `bad.y = { print }`},
		{"Worse", `bad.y = nil bad.z = 0/0`},
	} {
		run(t, l, turn.source)
		audit.NoteRun(Handler{Name: turn.handler})
		audit.Continue()
	}
	want := []string{
		`state "bad": y[1]: a function has no JSON form by Ring`, `state "bad": y[1]: a function has no JSON form by Again`,
		`state "bad": z: NaN has no JSON form by Worse`,
	}
	if !slices.Equal(*reported, want) {
		t.Errorf("reported %q, want %q", *reported, want)
	}
}

// A large state is checked in steps with pauses between them. All handlers that may have stored a value are named.
func TestAuditInSteps(t *testing.T) {
	s, l := storeWith(t, fmt.Sprintf(`local big = {} for i = 1, %d do big[i] = i end return { big = big, small = {} }`, 3*auditEntries))
	var steps []func()
	audit, reported := findings(s, AuditOptions{After: func(_ time.Duration, run func()) {
		if len(steps) > 0 {
			t.Error("After is called while a step is due")
		}
		steps = append(steps, run)
	}})
	continueAudit := func() {
		audit.resume = time.Time{} // as if the pause was over
		next := steps[0]
		steps = nil
		next()
	}
	audit.NoteRun(Handler{Name: "Before"}) // the first step
	audit.Continue()
	run(t, l, `small.x = print`)
	audit.NoteRun(Handler{Name: "Ring"})
	audit.Continue()
	audit.NoteRun(Handler{Name: "Ring"})
	audit.Continue()
	for range 4 {
		continueAudit()
	}
	if want := []string{`state "small": x: a function has no JSON form by Before Ring`}; !slices.Equal(*reported, want) {
		t.Errorf("reported %q, want %q", *reported, want)
	}
	run(t, l, `big[1] = print`) // behind the audit
	for i := range maxSuspects + 1 {
		audit.NoteRun(Handler{Name: fmt.Sprint("H", i)})
		audit.Continue()
	}
	for len(steps) > 0 {
		continueAudit()
	}
	want := `state "big": [1]: a function has no JSON form by H0 H1 H2 H3 H4 H5 H6 H7 and others`
	if got := (*reported)[1:]; len(got) != 1 || got[0] != want {
		t.Errorf("reported %q, want %q", got, want)
	}
	if audit.waiting || len(audit.current) > 0 {
		t.Error("the audit goes on although no handler has run")
	}
}

// An audit takes a small share of the time, however large the states are.
func BenchmarkAudit(b *testing.B) {
	for _, entries := range []int{0, 100, 100_000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			s, _ := storeWith(b, fmt.Sprintf(`local big = {} for i = 1, %d do big["k" .. i] = i end return { big = big }`, entries))
			audit := NewAudit(s, AuditOptions{After: func(time.Duration, func()) {}})
			h := Handler{Name: "Ring", File: "scripts/app.lua", Line: 1}
			for b.Loop() {
				audit.NoteRun(h)
				audit.Continue()
				audit.waiting = false
			}
		})
	}
}
