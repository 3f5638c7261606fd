package store

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/script/value"
	"perigee/engine/testkit"
)

// storeWith returns a store with the tables that Lua makes, by name.
func storeWith(tb testing.TB, source string) (*Store, *lua.LState) {
	tb.Helper()
	l := lua.NewState()
	tb.Cleanup(l.Close)
	s := New()
	if err := l.DoString(source); err != nil {
		tb.Fatalf("%s: %v", source, err)
	}
	all, _ := l.Get(-1).(*lua.LTable)
	all.ForEach(func(name, v lua.LValue) {
		table, _ := v.(*lua.LTable)
		s.tables[name.String()] = table
		l.SetGlobal(name.String(), table)
	})
	return s, l
}

func run(t *testing.T, l *lua.LState, source string) {
	t.Helper()
	if err := l.DoString(source); err != nil {
		t.Fatalf("%s: %v", source, err)
	}
}

func texts(saved Saved) string {
	var b strings.Builder
	for name, text := range saved.Texts {
		fmt.Fprintf(&b, "%s=%s ", name, text)
	}
	return strings.TrimSpace(b.String())
}

func TestStoreSave(t *testing.T) {
	// Only a change makes a new version, and a returned text is never changed.
	s, l := storeWith(t, `return {prizes = {}}`)
	first := s.Save()
	if first.Version != 1 || texts(first) != `prizes={}` {
		t.Errorf("Save = %s, version %d, want prizes={}, version 1", texts(first), first.Version)
	}
	if again := s.Save(); again.Version != 1 {
		t.Errorf("Save without a change = version %d, want 1", again.Version)
	}
	run(t, l, `prizes[1] = {name = "Mug"}`)
	if changed := s.Save(); changed.Version != 2 || texts(changed) != `prizes=[{"name":"Mug"}]` {
		t.Errorf("Save after a change = %s, version %d, want the prize, version 2", texts(changed), changed.Version)
	}
	if texts(first) != `prizes={}` {
		t.Errorf("what Save returned before the change is now %s, want prizes={}", texts(first))
	}
}

func TestStoreSaveFaults(t *testing.T) {
	// A table that is not plain data keeps its last text and does not affect the others; its fault is reported until it is corrected.
	s, l := storeWith(t, `return {bad = {x = 1}, good = {y = 1}}`)
	s.Save()
	run(t, l, `bad.list = {1, print} bad.x = 2 good.y = 2`)
	saved := s.Save()
	if got := string(saved.Texts["bad"]) + string(saved.Texts["good"]); got != `{"x":1}{"y":2}` {
		t.Errorf("Save of a table with a function = %s, want the last text of bad and the new one of good", got)
	}
	want := `script: state "bad": list[2]: a function has no JSON form`
	if len(saved.Faults) != 1 || saved.Faults[0].Error() != want {
		t.Errorf("faults = %v, want %s", saved.Faults, want)
	}
	if again := s.Save(); len(again.Faults) != 1 || again.Faults[0].Error() != want {
		t.Errorf("faults of the next Save = %v, want the same again", again.Faults)
	}
	run(t, l, `bad.list = nil`)
	if mended := s.Save(); string(mended.Texts["bad"]) != `{"x":2}` || len(mended.Faults) != 0 {
		t.Errorf("Save after bad is plain data again = %s, faults %v, want {\"x\":2} and none", mended.Texts["bad"], mended.Faults)
	}
	run(t, l, `bad.self = bad`)
	if broken := s.Save(); len(broken.Faults) != 1 || !strings.Contains(broken.Faults[0].Error(), "self: the table contains itself") {
		t.Errorf("faults of another kind = %v, want the cycle", broken.Faults)
	}
}

// All texts together have a limit; a table beyond it keeps its last text, and is saved once the others leave room.
func TestStoreBounds(t *testing.T) {
	s, l := storeWith(t, `big = ("x"):rep(1e6) return {a = {}, b = {}, c = {}, d = {big, big, big, big, big, big, big, big, big, big, big, big, big, big, big, big, big}}`)
	s.bounds.texts = 5 << 20
	saved := s.Save()
	if len(saved.Faults) != 1 || !strings.Contains(saved.Faults[0].Error(), `state "d": all states may have 5 MiB of text together`) {
		t.Errorf("faults = %v, want that d is too large", saved.Faults)
	}
	run(t, l, `for _, t in ipairs({a, b, c}) do t[1], t[2] = big, big end`)
	saved = s.Save()
	if got := len(saved.Texts["a"]) + len(saved.Texts["b"]); got < 4e6 || string(saved.Texts["c"]) != "{}" || len(saved.Faults) != 2 {
		t.Errorf("texts of a and b have %d bytes, c is %.10s, faults %v, want 4 MB, {}, and the faults of c and d", got, saved.Texts["c"], saved.Faults)
	}
	run(t, l, `a[2] = nil`)
	if saved = s.Save(); len(saved.Texts["c"]) < 2e6 || len(saved.Faults) != 1 {
		t.Errorf("with room again c has %d bytes of text, faults %v, want 2 MB and that of d", len(saved.Texts["c"]), saved.Faults)
	}
	s.bounds.texts = maxTexts
	if saved = s.Save(); len(saved.Faults) != 1 || !strings.Contains(saved.Faults[0].Error(), `larger than 16 MiB`) {
		t.Errorf("faults = %v, want that d alone is larger than 16 MiB", saved.Faults)
	}
}

// However many tables are too large, a snapshot takes a bounded time, and the tables that it has not tried are the first of the
// next: three snapshots are enough for 41 tables.
func TestStoreRefuses(t *testing.T) {
	s, l := storeWith(t, `local all, big = {}, {("x"):rep(1024)}
		for i = 1, 40 do all["large-" .. i] = big end
		all.small = {}
		return all`)
	s.bounds.text, s.bounds.refused = 1<<10, 16<<10
	run(t, l, `small.x = 1`)
	for i := range 3 {
		snapshot := s.StartSnapshot()
		for !snapshot.Step() {
		}
		if i == 0 && snapshot.refused != s.bounds.refused {
			t.Errorf("the first snapshot refused %d bytes, want %d: those of 16 tables", snapshot.refused, s.bounds.refused)
		}
		if snapshot.refused > s.bounds.refused {
			t.Errorf("a snapshot refused %d bytes, want %d at most", snapshot.refused, s.bounds.refused)
		}
		saved := s.Saved()
		if small := string(saved.Texts["small"]); (small == `{"x":1}`) != (i == 2) {
			t.Errorf("after snapshot %d small = %q, want {\"x\":1} after the third, which comes to it", i+1, small)
		}
		if i < 2 && !strings.Contains(fmt.Sprint(saved.Faults), "too many others are too large") {
			t.Errorf("faults after snapshot %d = %v, want also those of tables that were not tried", i+1, saved.Faults)
		}
	}
	saved := s.Saved()
	if len(saved.Faults) != 40 || strings.Contains(fmt.Sprint(saved.Faults), errSkipped.Error()) {
		t.Errorf("%d faults: %v, want those of the 40 that were tried", len(saved.Faults), saved.Faults)
	}
}

// A snapshot stops after each table that is large, so that others get their turns in between.
func TestStoreSnapshot(t *testing.T) {
	s, l := storeWith(t, `big = ("x"):rep(2e6) return {a = {big}, b = {big}, c = {}, d = {}, e = {}}`)
	snapshot, steps := s.StartSnapshot(), 1
	for ; !snapshot.Step(); steps++ {
		run(t, l, `a[1], b[1], c[1] = 1, 2, 3`)
	}
	saved := s.Saved()
	if steps != 2 || len(saved.Texts["a"]) < 2e6 || string(saved.Texts["b"]) != "[2]" || string(saved.Texts["c"]) != "[3]" {
		t.Errorf("a snapshot of %d steps: b = %.9s, c = %.9s, want 2 steps, each text of its moment", steps, saved.Texts["b"], saved.Texts["c"])
	}
}

func TestStoreRestore(t *testing.T) {
	// Restore accepts the texts of Save, and does not count them as a change.
	s, _ := storeWith(t, `return {prizes = {{name = "Mug", awarded = false}}, scores = {alice = 0.1}, empty = {}}`)
	saved := s.Save()
	restored := New()
	if err := restored.Restore(saved.Texts); err != nil {
		t.Fatalf("Restore = %v, want nil", err)
	}
	again := restored.Save()
	if again.Version != 0 || !maps.EqualFunc(again.Texts, saved.Texts, func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Errorf("Save after Restore = %s, version %d, want %s, version 0", texts(again), again.Version, texts(saved))
	}
}

func TestStoreRestoreRefuses(t *testing.T) {
	// The error names every damaged table.
	err := New().Restore(map[string][]byte{"a": []byte(`7`), "b": []byte(`{"x":[1e999]}`), "c": []byte(`{}`), "d": []byte(`null`)})
	if err == nil {
		t.Fatal("Restore = nil, want errors")
	}
	for _, want := range []string{`state "a": a number; a state is a table`, `state "b": value: decode x[0]: a number out of range`, `state "d"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Restore = %v, want also %s", err, want)
		}
	}
	if strings.Contains(err.Error(), `"c"`) {
		t.Errorf("Restore = %v, want nothing of c, which is fine", err)
	}
}

func TestStoreTidy(t *testing.T) {
	// Keys that are set and removed do not add up, at any depth, also in tables that contain themselves, and those that
	// are left stay.
	s, l := storeWith(t, `return {flat = {}, deep = {list = {{players = {}}}}}`)
	run(t, l, `deep.self = deep deep.list[1].players.stays = 1`)
	churn := func(round int) {
		run(t, l, fmt.Sprintf(`
			for i = 1, 1000 do
				local key = "player-%d-" .. i
				for _, t in ipairs({flat, deep.list[1].players}) do t[key] = {i} t[key] = nil end
			end`, round))
	}
	rounds := testkit.Scale(50, 500)
	for round := range rounds {
		churn(round)
		if !s.Tidy() {
			t.Fatal("Tidy of a handful of tables = false, want a whole round")
		}
	}
	began := time.Now()
	run(t, l, `for _ in pairs(flat) do end`)
	testkit.Measured(t, "%d keys set and removed in two tables each: pairs of what is left in %v", rounds*1000, time.Since(began).Round(time.Microsecond))
	players := l.GetGlobal("deep").(*lua.LTable).RawGetString("list").(*lua.LTable).RawGetInt(1).(*lua.LTable).RawGetString("players")
	for name, v := range map[string]lua.LValue{"flat": l.GetGlobal("flat"), "players": players} {
		if value.Compact(v.(*lua.LTable)) {
			t.Errorf("%s was still to be compacted after Tidy", name)
		}
	}
	if got := players.(*lua.LTable).RawGetString("stays"); got != lua.LNumber(1) {
		t.Errorf("what was left in players = %v, want 1", got)
	}
}

func TestStoreTidyInPieces(t *testing.T) {
	// A state too large for one call takes several, while scripts change it.
	s, l := storeWith(t, `local big = {} for i = 1, 25000 do big["k" .. i] = {i} end big.churn = {} return {big = big}`)
	calls := 0
	for done := false; !done; calls++ {
		run(t, l, fmt.Sprintf(`big["k%d"] = nil for i = 1, 1000 do big.churn["c" .. i + %d] = 1 big.churn["c" .. i + %d] = nil end`,
			calls*9000+1, calls*1000, calls*1000))
		done = s.Tidy()
		if calls > 100 {
			t.Fatal("Tidy does not come to an end")
		}
	}
	if calls < 3 {
		t.Errorf("Tidy looked at 50,000 entries in %d calls, want several", calls)
	}
	for range calls {
		s.Tidy()
	}
	churn := l.GetGlobal("big").(*lua.LTable).RawGetString("churn").(*lua.LTable)
	if value.Compact(churn) {
		t.Error("after a round of Tidy the table that had changed was still to be compacted")
	}
}

// A store has a limited number of tables. Those that it has can still be read.
func TestTooManyTables(t *testing.T) {
	s := New()
	s.bounds.tables = 2
	l := lua.NewState()
	defer l.Close()
	for _, row := range []struct {
		name string
		ok   bool
	}{{"a", true}, {"b", true}, {"c", false}, {"a", true}} {
		if _, err := s.Table(row.name, l.NewTable()); (err == nil) != row.ok {
			t.Errorf("Table(%s) of at most 2 = %v, want success %t", row.name, err, row.ok)
		}
	}
}
