package engine_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/spec"
	"perigee/engine/wire"
	"perigee/scripts"
)

// elsewhere is the address of the other server of which the READMEs speak.
const elsewhere = "http://127.0.0.1:9000"

// readmes returns the READMEs for users, by name, with a real address for elsewhere.
func readmes(t *testing.T) map[string][]enginetest.Section {
	t.Helper()
	all := map[string][]enginetest.Section{}
	other := service(t)
	for name, file := range map[string]string{"README": "../README.md", "scripts": "../scripts/README.md"} {
		all[name] = enginetest.Readme(t, file)
		for _, section := range all[name] {
			for i := range section.Blocks {
				section.Blocks[i].Text = strings.ReplaceAll(section.Blocks[i].Text, elsewhere, other)
			}
		}
	}
	return all
}

// service starts the other server and returns its address: POST /clean puts stars in the place of "darn", GET
// /greeting?name= greets, GET /member knows Alice by her token.
func service(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /clean", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Text string `json:"text"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in.Text = strings.ReplaceAll(in.Text, "darn", "****")
		if err := json.NewEncoder(w).Encode(in); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /greeting", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "Hello, "+r.URL.Query().Get("name")+".")
	})
	mux.HandleFunc("GET /member", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			http.Error(w, "no member", http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"name":"Alice"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// settings returns what the blocks of TOML of a section say, for a server on a free port with scripts in a folder.
func settings(t *testing.T, section enginetest.Section, folder string) config.Config {
	t.Helper()
	text := ""
	for _, block := range section.All("toml") {
		text += block.Text
	}
	file := filepath.Join(filepath.Dir(folder), "server.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Source{Path: file, Explicit: true})
	if err != nil {
		t.Fatalf("the settings of %q: %v", section.Title, err)
	}
	c.Server.Port, c.Lua.Path = 0, folder
	c.Queue.Driver = config.DriverMemory // no test takes jobs that are not its own
	return c
}

// manager returns the module that runs the Lua files of a section: the one among them that extends the base manager, or
// one that is written for files that only register.
func manager(t *testing.T, folder string, files []enginetest.Block) string {
	t.Helper()
	all := `local base = require("manager")` + "\nlocal all = base:extend()\nfunction all:boot()\n  base.boot(self)\n"
	for _, b := range files {
		module := strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(b.File, ".lua"), "/init"), "/", ".")
		if strings.Contains(b.Text, ":extend()") {
			return module
		}
		all += "  require(\"" + module + "\")\n"
	}
	write(t, folder, map[string]string{"all.lua": all + "end\nreturn all\n"})
	return "all"
}

// write puts files into a folder.
func write(tb testing.TB, folder string, files map[string]string) {
	tb.Helper()
	for name, text := range files {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// All Lua of the READMEs runs. Each block is a whole file, which its first line names; the settings of its section hold
// for it. The transcript of the section is what clients then say and hear; specs pass.
func TestReadmeExamples(t *testing.T) {
	for name, sections := range readmes(t) {
		folder := filepath.Join(t.TempDir(), "scripts")
		enginetest.WriteScripts(t, folder, sections)
		for _, section := range sections {
			if section.Blocks == nil {
				continue
			}
			t.Run(name+"/"+section.Title, func(t *testing.T) { runSection(t, folder, section) })
		}
	}
}

func runSection(t *testing.T, folder string, section enginetest.Section) {
	t.Helper()
	for _, b := range section.Blocks {
		switch b.Language {
		case "lua", "transcript", "toml": // below
		case "html", "js": // by TestReadmePage and in a browser, engine/enginetest/browser
		case "sh", "console", "php", "python": // by cmd/perigee
		case "ini", "nginx": // by TestReadmeUnit and TestReadmeNginx
		case "json":
			if !json.Valid([]byte(b.Text)) {
				t.Errorf("%s: %s is no JSON", b.Place(), b.Text)
			}
		default:
			t.Errorf("%s: no test tries blocks of %q", b.Place(), b.Language)
		}
	}
	c := settings(t, section, folder)
	var files, specs []enginetest.Block
	for _, b := range section.All("lua") {
		switch {
		case b.File == "":
			t.Errorf("%s: a block of Lua begins with the name of its file: -- scripts/NAME.lua", b.Place())
		case strings.HasSuffix(b.File, "_spec.lua"):
			specs = append(specs, b)
		default:
			files = append(files, b)
		}
	}
	transcripts := section.All("transcript")
	if (len(files) > 0) != (len(transcripts) > 0) {
		t.Errorf("section %q has %d files of Lua and %d transcripts, want both or none", section.Title, len(files), len(transcripts))
	}
	for _, b := range specs {
		report, err := spec.Run(t.Context(), spec.Options{Config: c, Scripts: scripts.Files, Path: filepath.Join(folder, b.File)})
		if err != nil || report.Passed == 0 || len(report.Failures) > 0 {
			t.Errorf("%s: %v, %v, want it to pass", b.Place(), report, err)
		}
	}
	if t.Failed() || len(files) == 0 {
		return
	}
	c.Lua.Manager = manager(t, folder, files)
	server := enginetest.Start(t, func(changed *config.Config) { *changed = c })
	for _, b := range transcripts {
		enginetest.Play(t, server, b.Path, b.Line, b.Text)
	}
}

// The chat of the README is short, and its rooms remember what was said after the server has started again.
func TestReadmeChat(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "scripts")
	for _, section := range readmes(t)["README"] {
		if section.Title != "A chat" {
			continue
		}
		enginetest.WriteScripts(t, folder, []enginetest.Section{section})
		chat, transcript := section.All("lua")[0], section.All("transcript")[0]
		if lines := strings.Count(chat.Text, "\n"); lines >= 80 {
			t.Errorf("%s: the chat has %d lines, want fewer than 80", chat.Place(), lines)
		}
		c := settings(t, section, folder)
		run := func() *enginetest.Server {
			return enginetest.Start(t, func(changed *config.Config) { *changed = c })
		}
		server := run()
		enginetest.Play(t, server, transcript.Path, transcript.Line, transcript.Text)
		if err := server.Stop(); err != nil {
			t.Fatalf("Run = %v, want nil", err)
		}
		enginetest.Play(t, run(), transcript.Path, transcript.Line, `
carol > {"name":"Join","room":"tea"}
carol < {"name":"UpdateSubscriptions"}
carol < {"name":"History","room":"tea","lines":[{"text":"It is **** hot."},"*","*"]}
carol > {"name":"Join","room":"garden"}
carol < {"name":"UpdateSubscriptions"}
carol < {"name":"History","room":"garden","lines":[]}`)
		return
	}
	t.Error(`README.md has no section "A chat"`)
}

// A page of an application's own is served as the README shows it, with the files beside it.
func TestReadmePage(t *testing.T) {
	sections := readmes(t)["README"]
	folder := filepath.Join(t.TempDir(), "scripts")
	enginetest.WriteScripts(t, folder, sections)
	server := enginetest.Start(t, func(c *config.Config) { c.Lua.Path, c.Lua.Manager = folder, "clicker" })
	tried := 0
	for _, section := range sections {
		for _, b := range section.Blocks {
			name, public := strings.CutPrefix(b.File, "clicker/public/")
			if !public {
				continue
			}
			tried++
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+strings.TrimSuffix(name, "index.html"), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
			if err != nil || response.StatusCode != http.StatusOK || string(body) != b.Text {
				t.Errorf("GET %s = %s, %.100q, %v, want the text of %s", request.URL, response.Status, body, err, b.Place())
			}
		}
	}
	if tried != 2 {
		t.Errorf("README.md shows %d files of the clicker's page, want 2", tried)
	}
}

// The links of the READMEs lead to headings and files that are there.
func TestReadmeLinks(t *testing.T) {
	anchors := map[string]bool{}
	for file, sections := range map[string][]enginetest.Section{
		"": enginetest.Readme(t, "../README.md"), "scripts/README.md": enginetest.Readme(t, "../scripts/README.md"),
	} {
		for _, section := range sections {
			kept := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(section.Title), "")
			anchors[file+"#"+strings.ReplaceAll(kept, " ", "-")] = true
		}
	}
	for readme, own := range map[string]string{"../README.md": "", "../scripts/README.md": "scripts/README.md"} {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllSubmatch(text, -1) {
			link := string(match[1])
			top, up := strings.CutPrefix(link, "../README.md")
			switch file, anchor, _ := strings.Cut(link, "#"); {
			case strings.HasPrefix(link, "https://"), up && anchors[top]:
			case anchor != "" && !anchors[link] && !anchors[own+link]:
				t.Errorf("%s: there is no heading for %s", readme, link)
			case anchor == "":
				if _, err := os.Stat(filepath.Join(filepath.Dir(readme), file)); err != nil {
					t.Errorf("%s: %s leads nowhere: %v", readme, link, err)
				}
			}
		}
	}
}

// The tables of the README name every message that the giveaway takes, with its protection.
func TestReadmeMessages(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	server := enginetest.Start(t, nil)
	for _, message := range server.Status.Routes.Messages {
		protection := message.Protection.String()
		if strings.HasSuffix(message.Name, "ubscribe") {
			protection = "the topic's" // the message is for everybody, the topic decides
		}
		row := regexp.MustCompile("(?m)^\\|[^|]*`" + message.Name + "`[^|]*\\| " + protection + " \\|")
		if !row.Match(text) {
			t.Errorf("README.md has no row for %s with protection %s", message.Name, protection)
		}
	}
}

// The table of answers over HTTP in the README has each exception with its status.
func TestReadmeHTTPAnswers(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []wire.Exception{
		wire.Unauthorized(), wire.UnknownCommand(""), wire.ArgumentsTooLarge(0), wire.InvalidArguments(""), wire.HandlerFailed(""), wire.Stopping(),
	} {
		if row := fmt.Sprintf("\n| %d | `%s` | ", e.Code, e.Name); !strings.Contains(string(text), row) {
			t.Errorf("README.md has no row %q", row)
		}
	}
}

// The change that the README proposes for a first try makes the clock run sixty times as fast, and drops nobody.
func TestReadmeChange(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	change := regexp.MustCompile("in `scripts/([a-z/.]+)`, let `(\\w+)` be `([^`]+)`").FindStringSubmatch(string(text))
	if change == nil {
		t.Fatal("README.md proposes no change")
	}
	f := folder{t, t.TempDir()}
	if err := os.CopyFS(f.path, scripts.Files); err != nil {
		t.Fatal(err)
	}
	s := f.serve(func(c *config.Config) { c.Lua.Manager = "giveaway" })
	alice := s.Dial(t, "alice")
	alice.Expect("UpdatePrizes") // of the opening
	source, err := os.ReadFile(filepath.Join(f.path, change[1]))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("local " + change[2] + " = .*")
	if !line.Match(source) {
		t.Fatalf("%s has no line %s", change[1], line)
	}
	f.write(change[1], line.ReplaceAllString(string(source), "local "+change[2]+" = "+change[3]))
	if _, err := s.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice.Eventually("CurrentUptime", func(frame enginetest.Frame) bool {
		elapsed, _ := frame["elapsed"].(float64)
		return elapsed >= 60
	})
}
