package engine_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"perigee/engine/config"
	"perigee/engine/enginetest"
	"perigee/engine/jwt"
	"perigee/engine/spec"
	"perigee/engine/wire"
	"perigee/scripts"
)

// exampleService is the address of the other server in the documents.
const exampleService = "http://127.0.0.1:9000"

// guides returns the documents for users, with a real address in place of exampleService.
func guides(t *testing.T) []enginetest.Document {
	t.Helper()
	all := enginetest.Guides(t)
	other := service(t)
	for _, document := range all {
		for _, section := range document.Sections {
			for i := range section.Blocks {
				section.Blocks[i].Text = strings.ReplaceAll(section.Blocks[i].Text, exampleService, other)
			}
		}
	}
	return all
}

// service starts the other server and returns its address: POST /clean replaces "darn" by stars, GET /greeting?name= greets,
// GET /member returns Alice for her token and GET /whoami for her session, GET /rates has rates, POST /sales accepts anything.
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
	mux.HandleFunc("GET /whoami", func(w http.ResponseWriter, r *http.Request) {
		if session, err := r.Cookie("laravel_session"); err != nil || session.Value != "of Alice" || r.Header.Get("Accept") != "application/json" {
			http.Error(w, "no session", http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"id":7,"name":"Alice"}`)
	})
	mux.HandleFunc("GET /rates", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"chf":1.06}`) })
	mux.HandleFunc("POST /sales", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// exampleSecrets are the variables that settings in the documents name.
func exampleSecrets() []string {
	return []string{"INVITATION_KEY=a long and random text", "TOKEN_KEY=a long and random text of 32 bytes or more"}
}

// settings returns the settings in the TOML blocks of a section, for a server on a free port with scripts in a directory.
func settings(t *testing.T, section enginetest.Section, directory string) config.Config {
	t.Helper()
	text := ""
	for _, block := range section.All("toml") {
		text += block.Text
	}
	file := filepath.Join(filepath.Dir(directory), "server.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Source{Path: file, Explicit: true, Env: exampleSecrets()})
	if err != nil {
		t.Fatalf("the settings of %q: %v", section.Title, err)
	}
	c.Server.Port, c.Lua.Path = 0, directory
	c.Queue.Driver = config.DriverMemory // no test takes jobs that are not its own
	return c
}

// manager returns the module that runs the Lua files of a section: the one among them that extends the base manager, or
// one that is written for files that only register.
func manager(t *testing.T, directory string, files []enginetest.Block) string {
	t.Helper()
	all := `local base = require("manager")` + "\nlocal all = base:extend()\nfunction all:boot()\n  base.boot(self)\n"
	for _, b := range files {
		module := strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(b.File, ".lua"), "/init"), "/", ".")
		if strings.Contains(b.Text, ":extend()") {
			return module
		}
		all += "  require(\"" + module + "\")\n"
	}
	write(t, directory, map[string]string{"all.lua": all + "end\nreturn all\n"})
	return "all"
}

// write puts files into a directory.
func write(tb testing.TB, directory string, files map[string]string) {
	tb.Helper()
	for name, text := range files {
		file := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// All Lua in the documents runs. Each block is a whole file, which its first line names; the settings of its section hold for
// it. Clients then send and receive the frames of the transcript of the section; specs pass.
func TestDocumentExamples(t *testing.T) {
	for _, document := range guides(t) {
		directory := filepath.Join(t.TempDir(), "scripts")
		enginetest.WriteScripts(t, directory, document.Sections)
		for _, section := range document.Sections {
			if section.Blocks == nil {
				continue
			}
			t.Run(document.Path+"/"+section.Title, func(t *testing.T) { runSection(t, directory, section) })
		}
	}
}

func runSection(t *testing.T, directory string, section enginetest.Section) {
	t.Helper()
	for _, b := range section.Blocks {
		switch b.Language {
		case "lua", "transcript", "toml": // below
		case "html", "js": // by TestDocumentPage and in a browser, engine/enginetest/browser
		case "sh", "console", "text", "php", "python": // by cmd/perigee
		case "sql": // by engine/queue/database
		case "ini", "nginx": // by TestDocumentUnit and TestDocumentNginx
		case "json":
			if !json.Valid([]byte(b.Text)) {
				t.Errorf("%s: %s is no JSON", b.Place(), b.Text)
			}
		default:
			t.Errorf("%s: no test tries blocks of %q", b.Place(), b.Language)
		}
	}
	c := settings(t, section, directory)
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
		report, err := spec.Run(t.Context(), spec.Options{Config: c, Scripts: scripts.Files, Path: filepath.Join(directory, b.File)})
		if err != nil || report.Passed == 0 || len(report.Failures) > 0 {
			t.Errorf("%s: %v, %v, want it to pass", b.Place(), report, err)
		}
	}
	if t.Failed() || len(files) == 0 {
		return
	}
	c.Lua.Manager = manager(t, directory, files)
	server := enginetest.Start(t, func(changed *config.Config) { *changed = c })
	for _, b := range transcripts {
		runTranscript(t, server, b.Path, b.Line, b.Text)
	}
	checkLint(t, server)
}

// misspelt is a name of the documents that does not exist.
const misspelt = `problem="there is no client:sned" did_you_mean=client:send`

// checkLint fails if the log of a server warns of any other name in its scripts that nothing defines.
func checkLint(t *testing.T, server *enginetest.Server) {
	t.Helper()
	for line := range strings.Lines(server.Log()) {
		if strings.Contains(line, "a name that nothing defines") && !strings.Contains(line, misspelt) {
			t.Errorf("a false alarm: %s", line)
		}
	}
}

// The chat in the documents is short, and its rooms keep their history over a restart.
func TestDocumentChat(t *testing.T) {
	_, section := enginetest.Showing(t, guides(t), "chat/init.lua")
	directory := filepath.Join(t.TempDir(), "scripts")
	enginetest.WriteScripts(t, directory, []enginetest.Section{section})
	chat, transcript := section.All("lua")[0], section.All("transcript")[0]
	if lines := strings.Count(chat.Text, "\n"); lines >= 80 {
		t.Errorf("%s: the chat has %d lines, want fewer than 80", chat.Place(), lines)
	}
	c := settings(t, section, directory)
	run := func() *enginetest.Server {
		return enginetest.Start(t, func(changed *config.Config) { *changed = c })
	}
	server := run()
	runTranscript(t, server, transcript.Path, transcript.Line, transcript.Text)
	if err := server.Stop(); err != nil {
		t.Fatalf("Run = %v, want nil", err)
	}
	runTranscript(t, run(), transcript.Path, transcript.Line, `
carol > {"name":"Join","room":"tea"}
carol < {"name":"UpdateSubscriptions"}
carol < {"name":"Said","room":"tea","by":"Alice","text":"It is **** hot."}
carol < {"name":"Said","text":"2"}
carol < {"name":"Said","text":"3"}
carol > {"name":"Join","room":"garden"}
carol < {"name":"UpdateSubscriptions"}
carol < nothing`)
}

// The recipes for who connects, with real handshakes: a session, a token as a cookie and as a subprotocol, and a ticket name the
// client, and others do not connect.
func TestDocumentSignIn(t *testing.T) {
	key := "a long and random text of 32 bytes or more" // of exampleSecrets
	k, err := jwt.ParseKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Sign([]byte(`{"iss":"https://shop.example","sub":"7","name":"Alice"}`), k, "", "")
	if err != nil {
		t.Fatal(err)
	}
	documents := guides(t)
	start := func(file string) *enginetest.Server {
		_, section := enginetest.Showing(t, documents, file)
		directory := filepath.Join(t.TempDir(), "scripts")
		enginetest.WriteScripts(t, directory, []enginetest.Section{section})
		c := settings(t, section, directory)
		c.Lua.Manager, c.Server.Key = strings.TrimSuffix(file, ".lua"), commandKey
		return enginetest.Start(t, func(changed *config.Config) { *changed = c })
	}
	connects := func(server *enginetest.Server, header http.Header, user any) {
		t.Helper()
		first := server.Open(t, "alice", header).Expect("ConnectionEstablished")
		if connection, _ := first["connection"].(map[string]any); connection["user"] != user {
			t.Errorf("%v connects as %v, want the user %v", header, connection, user)
		}
	}
	session := start("session.lua")
	connects(session, http.Header{"Cookie": {"theme=dark; laravel_session=of Alice"}}, "7")
	connects(session, http.Header{"Cookie": {"laravel_session=over"}}, nil)
	connects(session, nil, nil)
	bearer := start("bearer.lua")
	connects(bearer, http.Header{"Cookie": {"token=" + token}}, "7")
	connects(bearer, http.Header{"Sec-Websocket-Protocol": {"chat, bearer." + token}}, "7")
	connects(bearer, nil, nil)
	if status, err := ask(t.Context(), bearer, "/", "; token="+token[:len(token)-1]+"%"); status != http.StatusUnauthorized {
		t.Errorf("a forged token: %d, %v, want 401", status, err)
	}
	tickets := start("tickets.lua")
	var issued struct {
		Ticket string `json:"ticket"`
	}
	_, text := post(t, tickets, "IssueTicket", `{"user":"7"}`, "Authorization", "Bearer "+commandKey)
	if err := json.Unmarshal([]byte(text), &issued); err != nil || issued.Ticket == "" {
		t.Fatalf("IssueTicket = %s, %v, want a ticket", text, err)
	}
	page := tickets.Socket
	tickets.Socket = strings.TrimSuffix(page, "/") + "/?ticket=" + issued.Ticket
	connects(tickets, nil, "7")
	tickets.Socket = page
	if status, err := ask(t.Context(), tickets, "/?ticket="+issued.Ticket, ""); status != http.StatusUnauthorized {
		t.Errorf("a ticket that was used: %d, %v, want 401", status, err)
	}
}

// Pages in the documents (public/ beside a manager's init.lua) are served unchanged.
func TestDocumentPage(t *testing.T) {
	tried := 0
	for _, document := range guides(t) {
		directory := filepath.Join(t.TempDir(), "scripts")
		enginetest.WriteScripts(t, directory, document.Sections)
		for _, section := range document.Sections {
			for _, b := range section.Blocks {
				manager, name, public := strings.Cut(b.File, "/public/")
				if !public {
					continue
				}
				tried++
				server := enginetest.Start(t, func(c *config.Config) { c.Lua.Path, c.Lua.Manager = directory, manager })
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
	}
	if tried < 2 {
		t.Errorf("the documents show %d files of pages, want 2 of the clicker at least", tried)
	}
}

// The links of all documents lead to headings and files that exist.
func TestDocumentLinks(t *testing.T) {
	documents := enginetest.Documents(t)
	anchors := map[string]bool{} // by file#anchor
	for _, document := range documents {
		anchors[document.Path] = true
		seen := map[string]int{}
		for _, section := range document.Sections {
			anchor := anchor(section.Title)
			if n := seen[anchor]; n > 0 {
				anchors[fmt.Sprintf("%s#%s-%d", document.Path, anchor, n)] = true
			}
			seen[anchor]++
			anchors[document.Path+"#"+anchor] = true
		}
	}
	fence := regexp.MustCompile("(?ms)^```.*?^```$")
	for _, document := range documents {
		for _, match := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(fence.ReplaceAllString(document.Text, ""), -1) {
			link := match[1]
			if strings.HasPrefix(link, "https://") {
				continue
			}
			file, anchor, anchored := strings.Cut(link, "#")
			target := document.Path
			if file != "" {
				target = path.Join(path.Dir(document.Path), file)
			}
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: %s leads to no file: %v", document.Path, link, err)
			} else if anchored && !anchors[target+"#"+anchor] {
				t.Errorf("%s: there is no heading for %s", document.Path, link)
			}
		}
	}
}

// anchor returns the anchor of a heading, as GitHub makes it.
func anchor(title string) string {
	kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(title), "")
	return strings.ReplaceAll(kept, " ", "-")
}

// The tables of the documents name every message that the give-away takes, with its protection.
func TestDocumentMessages(t *testing.T) {
	text := enginetest.GuideText(t)
	server := enginetest.Start(t, nil)
	for _, message := range server.Status.Routes.Messages {
		protection := message.Protection.String()
		if strings.HasSuffix(message.Name, "ubscribe") {
			protection = "the topic's" // the message is for everybody, the topic decides
		}
		row := regexp.MustCompile("(?m)^\\|[^|]*`" + message.Name + "`[^|]*\\| " + protection + " \\|")
		if !row.MatchString(text) {
			t.Errorf("no document has a row for %s with protection %s", message.Name, protection)
		}
	}
}

// Tables of settings in the documents have the default of each.
func TestDocumentDefaults(t *testing.T) {
	defaults := map[string]string{}
	for _, key := range config.Keys() {
		defaults[key.Name] = key.Default
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z_]+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(enginetest.GuideText(t), -1)
	for _, row := range rows {
		if want, exists := defaults[row[1]]; !exists || row[2] != want {
			t.Errorf("a document says that %s is %s by default, want %q", row[1], row[2], want)
		}
	}
	if len(rows) == 0 {
		t.Error("no document has a table of settings with their defaults")
	}
}

// The table of answers over HTTP has each exception with its status.
func TestDocumentHTTPAnswers(t *testing.T) {
	text := enginetest.GuideText(t)
	for _, e := range []wire.Exception{
		wire.Unauthorized(), wire.KeyNotAllowed(), wire.UnknownCommand(""), wire.ArgumentsTooLarge(0), wire.InvalidArguments(""), wire.Refused(""), wire.HandlerFailed(""), wire.Stopping(),
	} {
		if row := fmt.Sprintf("\n| %d | `%s` | ", e.Code, e.Name); !strings.Contains(text, row) {
			t.Errorf("no document has the row %q", row)
		}
	}
}

// The change that README.md proposes for a first try makes the clock run sixty times as fast, and drops no connection.
func TestDocumentChange(t *testing.T) {
	change := regexp.MustCompile("in `scripts/([a-z/.]+)`, change `([^`]+)` to\\s`([^`]+)`").FindStringSubmatch(enginetest.GuideText(t))
	if change == nil {
		t.Fatal("no document proposes a change")
	}
	f := dir{t, t.TempDir()}
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
	if strings.Count(string(source), change[2]+"\n") != 1 {
		t.Fatalf("%s does not have one line %s", change[1], change[2])
	}
	f.write(change[1], strings.Replace(string(source), change[2], change[3], 1))
	if _, err := s.Control.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice.Eventually("CurrentUptime", func(frame enginetest.Frame) bool {
		elapsed, _ := frame["elapsed"].(float64)
		return elapsed >= 60
	})
}
