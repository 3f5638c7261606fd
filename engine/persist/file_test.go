package persist

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"perigee/engine/testkit"
)

// openFile returns a file in a temporary directory.
func openFile(t *testing.T) *File {
	t.Helper()
	f, err := Open(filepath.Join(t.TempDir(), "state.json"))
	if err != nil {
		t.Fatalf("Open = %v, want nil", err)
	}
	return f
}

// write writes the text of the file.
func write(t *testing.T, f *File, text string) {
	t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read returns the text of the file.
func read(t *testing.T, f *File) string {
	t.Helper()
	text, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func texts(pairs ...string) map[string][]byte {
	all := map[string][]byte{}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = []byte(pairs[i+1])
	}
	return all
}

func same(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(a, b []byte) bool { return string(a) == string(b) })
}

func TestSaveAndRead(t *testing.T) {
	// Saved texts are read back unchanged, whatever their names, and replace the old content.
	f := openFile(t)
	if got, err := f.Read(); err != nil || len(got) != 0 {
		t.Errorf("Read without a file = %v, %v, want nothing", got, err)
	}
	for _, want := range []map[string][]byte{
		texts("prizes", `[{"name":"Mug"}]`, "clicks", `{"total":-0.0}`),
		texts(),
		texts("", `{}`, "a\"b\nc\u2028<é>", `[1e300,"\u00e9",null]`),
		texts("prizes", `[]`),
	} {
		if err := f.Save(want); err != nil {
			t.Fatalf("Save(%s) = %v, want nil", want, err)
		}
		if got, err := f.Read(); err != nil || !same(got, want) {
			t.Errorf("Read after Save = %s, %v, want %s", got, err, want)
		}
	}
	if got, want := read(t, f), "{\"version\":1,\"state\":{\n\"prizes\":[]\n}}\n"; got != want {
		t.Errorf("the file = %q, want %q", got, want)
	}
	entries, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v, want the state file only", entries, err)
	}
}

func TestReadRefuses(t *testing.T) {
	// A file that is damaged, or not a state file, is refused with its path and the reason, and is not changed.
	for _, c := range []struct{ text, want string }{
		{"", "the file is empty"},
		{"\x00\x00\x00\x00", "damaged at byte 1"},
		{`{"version":1,"state":{"prizes":[{"na`, "the file is truncated; repair it, or move it away to start with no state"},
		{`{"version":1,"state":{"prizes":[}}`, "damaged at byte 33"},
		{`{"version":1,"state":{}} {}`, "more text after the end"},
		{`{"version":2,"state":{}}`, `"version" is 2; this program knows only 1`},
		{`{"state":{}}`, `"version" is 0`},
		{`{"version":1}`, `"state" is missing`},
		{`{"version":1,"state":[]}`, "not a state file: unexpected array at byte 22"},
		{`{"version":1,"state":{},"more":1}`, `unknown field "more"`},
		{`[server]`, "damaged at byte 2"},
		{`7`, "not a state file"},
	} {
		f := openFile(t)
		write(t, f, c.text)
		_, err := f.Read()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "persist: reading "+f.path+": ") {
			t.Errorf("Read of %q = %v, want the path and %s", c.text, err, c.want)
		}
		if got := read(t, f); got != c.text {
			t.Errorf("after Read of %q the file is %q, want it as it was", c.text, got)
		}
	}
}

func TestReadUnreadable(t *testing.T) {
	// A path that cannot be read is refused too.
	f := openFile(t)
	if err := os.Mkdir(f.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(); err == nil || !strings.Contains(err.Error(), f.path) {
		t.Errorf("Read of a directory = %v, want an error with its path", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	// A missing directory is an error when the file is opened, not when it is saved.
	missing := filepath.Join(t.TempDir(), "missing", "state.json")
	if _, err := Open(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open(%s) = %v, want %v", missing, err, fs.ErrNotExist)
	}
	f := openFile(t)
	write(t, f, "x")
	if _, err := Open(filepath.Join(f.path, "state.json")); err == nil {
		t.Error("Open in a file that is not a directory = nil, want an error")
	}
}

func TestSaveFails(t *testing.T) {
	// A failed save leaves the file as it was, and no other file.
	f := openFile(t)
	if err := f.Save(texts("a", `{}`)); err != nil {
		t.Fatal(err)
	}
	before := read(t, f)
	if err := os.Mkdir(f.path+".tmp", 0o700); err != nil { // where the temporary file would be
		t.Fatal(err)
	}
	if err := f.Save(texts("a", `{"b":1}`)); err == nil {
		t.Error("Save without a place for its temporary file = nil, want an error")
	}
	if got := read(t, f); got != before {
		t.Errorf("after a failed Save the file is %q, want %q", got, before)
	}
	// The next save is not affected.
	if err := f.Save(texts("a", `{"b":1}`)); err != nil {
		t.Errorf("Save after a failed one = %v, want nil", err)
	}
}

func TestSaveOverLeftovers(t *testing.T) {
	// A temporary file left by a crash does not affect the next save.
	f := openFile(t)
	if err := os.WriteFile(f.path+".tmp", []byte(strings.Repeat("x", 10_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	want := texts("a", `{}`)
	if err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Read(); err != nil || !same(got, want) {
		t.Errorf("Read after Save = %s, %v, want %s", got, err, want)
	}
}

func TestSaveKeepsMode(t *testing.T) {
	// A new file is readable by its owner only; a mode set later is kept.
	f := openFile(t)
	for _, want := range []fs.FileMode{0o600, 0o640} {
		if err := f.Save(texts()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(f.path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("mode after Save = %v, %v, want %v", info.Mode(), err, want)
		}
		if err := os.Chmod(f.path, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSaveThroughLink(t *testing.T) {
	// A symbolic link to the file stays a link.
	f := openFile(t)
	if err := f.Save(texts()); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(f.path, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	linked, err := Open(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := linked.Save(texts("a", `{}`)); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Read(); err != nil || len(got) != 1 {
		t.Errorf("Read of what the link points to = %s, %v, want what was saved through it", got, err)
	}
}

// Any text is either parsed or refused, and what is parsed survives compose and parse.
func FuzzRead(f *testing.F) {
	for _, text := range []string{`{"version":1,"state":{"a":{"b":[1]}}}`, `{"version":1,"state":{"a":1,"a":2}}`, `{"version":1,"state":{},"jobs":[{"id":1}]}`, `{}`, `{"version":1,"state":{"\ud800":1}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		saved, jobs, err := parse(text)
		if err != nil {
			t.Skip()
		}
		var written bytes.Buffer
		w := bufio.NewWriter(&written)
		compose(w, saved, jobs)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		again, jobsAgain, err := parse(written.Bytes())
		if err != nil || !same(again, saved) || string(jobsAgain) != string(jobs) {
			t.Errorf("parse of compose(%s, %s) = %s, %s, %v, want the same", saved, jobs, again, jobsAgain, err)
		}
	})
}

// Anything but a regular file is refused.
func TestOpenIrregular(t *testing.T) {
	directory := t.TempDir()
	pipe := filepath.Join(directory, "pipe")
	testkit.MakePipe(t, pipe)
	for _, path := range []string{pipe, directory, os.DevNull} {
		if f, err := Open(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("Open(%s) = %v, %v, want an error that it is not a regular file", path, f, err)
		}
	}
}

// The jobs stored beside the state are read back.
func TestJobs(t *testing.T) {
	f := openFile(t)
	f.Jobs = []byte(`[{"id":7}]`)
	if err := f.Save(texts("a", `{}`)); err != nil {
		t.Fatalf("Save = %v, want nil", err)
	}
	again, err := Open(f.path)
	if err != nil {
		t.Fatalf("Open = %v, want nil", err)
	}
	if _, err := again.Read(); err != nil || string(again.Jobs) != `[{"id":7}]` {
		t.Errorf("after Read, %v, Jobs = %s, want the job", err, again.Jobs)
	}
}

// An unwritable place is an error when the file is opened, and the check leaves nothing behind.
func TestOpenUnwritable(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "state.json")
	refused := func(path string) {
		t.Helper()
		if f, err := Open(path); err == nil || !strings.Contains(err.Error(), "cannot write to "+path+": ") {
			t.Errorf("Open(%s) = %v, %v, want an error that it is not writable", path, f, err)
		}
	}
	refused("/proc/state.json") // where not even root can create a file
	if err := os.Mkdir(path+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	refused(path)
	if info, err := os.Stat(path + ".tmp"); err != nil || !info.IsDir() {
		t.Errorf("after Open, %v, the directory is %v, want it as it was", err, info)
	}
	if os.Geteuid() == 0 {
		return // root ignores permissions
	}
	locked := filepath.Join(directory, "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	refused(filepath.Join(locked, "state.json"))
}

// Open changes nothing: neither the file, nor the temporary file that another process may be writing.
func TestOpenLeavesNothing(t *testing.T) {
	f := openFile(t)
	directory := filepath.Dir(f.path)
	if entries, err := os.ReadDir(directory); err != nil || len(entries) > 0 {
		t.Errorf("after Open the directory has %v, %v, want nothing", entries, err)
	}
	write(t, f, "kept")
	if err := os.WriteFile(f.path+".tmp", []byte("under way"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(f.path); err != nil {
		t.Fatalf("Open = %v, want nil", err)
	}
	underWay, err := os.ReadFile(f.path + ".tmp")
	if got := read(t, f); got != "kept" || err != nil || string(underWay) != "under way" {
		t.Errorf("after Open the file is %q and the temporary file %q, %v, want both unchanged", got, underWay, err)
	}
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != 2 {
		t.Errorf("after Open the directory has %v, %v, want the two files", entries, err)
	}
}
