package body

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// check compares the result of Parse with want.
func check(t *testing.T, text string, want Body) {
	t.Helper()
	got, err := Parse([]byte(text))
	if err != nil {
		t.Errorf("Parse(%s) = %v, want %+v", text, err, want)
		return
	}
	if string(got.Arguments) != string(want.Arguments) || (got.Arguments == nil) != (want.Arguments == nil) {
		t.Errorf("Parse(%s).Arguments = %q, want %q", text, got.Arguments, want.Arguments)
	}
	got.Arguments, want.Arguments = nil, nil
	if !same(got, want) {
		t.Errorf("Parse(%s) = %+v, want %+v", text, got, want)
	}
}

// same compares everything but the arguments.
func same(a, b Body) bool {
	return a.Name == b.Name && a.Class == b.Class && a.Timeout == b.Timeout && a.MaxTries == b.MaxTries
}

func TestParse(t *testing.T) {
	// A plain job has a name and data; the data are the arguments, unchanged.
	for text, want := range map[string]Body{
		`{"job":"AddPrize"}`:              {Name: "AddPrize"},
		`{"job":"AddPrize","data":null}`:  {Name: "AddPrize"},
		`{"job":"AddPrize","data":""}`:    {Name: "AddPrize"},
		`{"job":"AddPrize","data": [ ] }`: {Name: "AddPrize"},
		`{"job":"AddPrize","data":{}}`:    {Name: "AddPrize", Arguments: []byte(`{}`)},
		" {\n\"data\": {\"b\": 1.50, \"a\": \"\\u00e9\"},\t\"job\": \"AddPrize\" }\r\n": {Name: "AddPrize", Arguments: []byte(`{"b":1.50,"a":"\u00e9"}`)},
		`{"job":"Old","job":"AddPrize"}`:                                                {Name: "AddPrize"},
		`{"job":"prizes.add"}`:                                                          {Name: "prizes.add"},
		`{"job":"AddPrize","other":{"job":"no"}}`:                                       {Name: "AddPrize"},
		`{"job":"App\\Jobs\\AddPrize"}`:                                                 {Name: "AddPrize", Class: `App\Jobs\AddPrize`},
		`{"job":"\\App\\AddPrize@handle"}`:                                              {Name: "AddPrize", Class: `App\AddPrize`},
		`{"job":"AddPrize@fire"}`:                                                       {Name: "AddPrize"},
		`{"job":"App\\Prizes@add"}`:                                                     {Name: "Prizes@add", Class: `App\Prizes@add`},
		`{"job":"AddPrize","maxTries":3,"timeout":1.5,"delay":60,"attempts":2,"uuid":"u","displayName":"d"}`: {
			Name: "AddPrize", MaxTries: 3, Timeout: 1500 * time.Millisecond,
		},
		`{"job":"AddPrize","maxTries":-3,"timeout":-1,"delay":"60","attempts":1.5,"uuid":7,"displayName":null}`: {Name: "AddPrize"},
		`{"job":"AddPrize","maxTries":1e3,"timeout":1e300,"delay":true,"attempts":99999999999}`: {
			Name: "AddPrize", Timeout: maxSeconds * time.Second,
		},
		`{"job":"AddPrize","uuid":"` + strings.Repeat("u", 256) + `"}`: {Name: "AddPrize"},
	} {
		check(t, text, want)
	}
}

func TestParseRefuses(t *testing.T) {
	// A body that is not a job is refused with a reason.
	for text, want := range map[string]string{
		``:                              "the job is empty",
		" \n":                           "the job is empty",
		`AddPrize`:                      "the job is not JSON: invalid at byte 0",
		`{"job":"AddPrize"`:             "the job is not JSON: invalid at byte 17",
		`{"job":"AddPrize",}`:           "the job is not JSON: invalid at byte 17",
		`{"job":"AddPrize","data":{x}}`: "the job is not JSON: invalid at byte 26",
		`{"job":"half \ud83d"}`:         "the job is not JSON: invalid at byte 13",
		`"AddPrize"`:                    "the job has no name: it is a string",
		`null`:                          "the job has no name: it is null",
		`7 `:                            "the job has no name: it is a number",
		`7 8`:                           "the job has more text after its JSON value",
		`true`:                          "the job has no name: it is a boolean",
		`[]`:                            "the job has no name: it is an empty list",
		`[7,{}]`:                        "the job has no name: it is a list whose first item is a number",
		`["AddPrize",{},1]`:             "the job has no name: it is a list of 3 items",
		`["AddPrize"`:                   "the job is not JSON: invalid at byte 11",
		`["AddPrize"]x`:                 "the job has more text after its JSON value",
		`{"job":"AddPrize"}{}`:          "the job has more text after its JSON value",
		`{"job":"AddPrize"}x`:           "the job has more text after its JSON value",
		"{\"job\":\"\xff\"}":            "the job is not UTF-8",
		"\x00\x00\x00":                  "the job has only NUL bytes, as beanstalkd leaves them when it is killed while it stores a job",
		`{}`:                            "the job has no name: it is an empty object",
		`{"data":{"job":"AddPrize"}}`:   `the job has no name: it has no "job", but "data"`,
		`{"type":"Order","payload":{}}`: `the job has no name: it has no "job", but "type", "payload"`,
		`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}`:  `the job has no name: it has no "job", but "a", "b", "c", "d", "e" and 2 more`,
		`{"` + strings.Repeat("x", 50) + `":1}`:        `the job has no name: it has no "job", but "` + strings.Repeat("x", 40) + `..."`,
		`{"job":""}`:                                   `the job has no name: its "job" is empty`,
		`{"job":7}`:                                    `the job has no name: its "job" must be a string, found a number`,
		`{"job":"App\\"}`:                              "the job's name is empty or longer than 255 bytes",
		`{"job":"@add"}`:                               "the job's name is empty or longer than 255 bytes",
		`{"job":"App\\@add"}`:                          "the job's name is empty or longer than 255 bytes",
		`{"job":"@handle"}`:                            "the job's name is empty or longer than 255 bytes",
		`{"job":"` + strings.Repeat("x", 256) + `"}`:   "the job's name is empty or longer than 255 bytes",
		`{"job":"` + strings.Repeat("x", Limit) + `"}`: "the job is longer than 65536 bytes",
	} {
		if b, err := Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("Parse(%.60s) = %+v, %v, want %q", text, b, err, want)
		}
	}
}

// Arguments that are not an object are refused with what was found, in every format.
func TestParseRefusesArguments(t *testing.T) {
	for value, found := range map[string]string{
		`"x"`: "a string", `5`: "a number", `false`: "a boolean", `[1,2]`: "a list", `[{"item":"tea"}]`: "a list", `"{\"item\":\"tea\"}"`: "a string",
	} {
		for text, what := range map[string]string{
			`{"job":"Order","data":` + value + `}`:                             "data",
			`{"class":"Order","args":[` + value + `]}`:                         "args",
			`["Order",` + value + `]`:                                          "the second item",
			`{"headers":{"type":"Order"},"body":` + strconv.Quote(value) + `}`: "body",
		} {
			want := "" + what + " must be an object, found " + found
			if b, err := Parse([]byte(text)); err == nil || err.Error() != want {
				t.Errorf("Parse(%s) = %+v, %v, want %q", text, b, err, want)
			}
		}
	}
}

// Jobs of other frameworks are read.
func TestParseFormats(t *testing.T) {
	tea := []byte(`{"item":"tea"}`)
	for text, want := range map[string]Body{
		// Symfony Messenger with its JSON serializer.
		`{"body":"{\"item\":\"tea\"}","headers":{"type":"App\\Message\\Order","Content-Type":"application\/json"}}`: {
			Name: "Order", Class: `App\Message\Order`, Arguments: tea,
		},
		`{"headers":{"type":"Order","X-Message-Stamp-Delay":"[]"},"body":"{ \"item\" : \"tea\" }"}`: {Name: "Order", Class: "Order", Arguments: tea},
		`{"headers":{"type":"App\\Ping"},"body":"[]"}`:                                              {Name: "Ping", Class: `App\Ping`},
		// Yii2 with its JSON serializer.
		`{"class":"App\\jobs\\Order","item":"tea"}`:                 {Name: "Order", Class: `App\jobs\Order`, Arguments: tea},
		`{"item": "tea", "class":"app\\Order"}`:                     {Name: "Order", Class: `app\Order`, Arguments: tea},
		`{"class":"Order","args":[{"item":"tea"}],"item":"coffee"}`: {Name: "Order", Class: "Order", Arguments: []byte(`{"args":[{"item":"tea"}],"item":"coffee"}`)},
		`{"class":"app\\Order","args":[1]}`:                         {Name: "Order", Class: `app\Order`, Arguments: []byte(`{"args":[1]}`)},
		`{"class":"app\\Ping"}`:                                     {Name: "Ping", Class: `app\Ping`},
		// Backburner.
		`{"class":"Order","args":[{"item":"tea"}]}`:               {Name: "Order", Class: "Order", Arguments: tea},
		`{"class":"Shop::Order","args":[{"item":"tea"}],"ttr":9}`: {Name: "Order", Class: "Shop::Order", Arguments: tea},
		`{"class":"Ping","args":[]}`:                              {Name: "Ping", Class: "Ping"},
		// Stalker.
		`["Order",{"item":"tea"}]`: {Name: "Order", Arguments: tea},
		` [ "mail.send" , {} ] `:   {Name: "mail.send", Arguments: []byte(`{}`)},
		`["Ping"]`:                 {Name: "Ping"},
	} {
		check(t, text, want)
	}
}

// Jobs of other frameworks that cannot be read are refused with the remedy.
func TestParseRefusesFormats(t *testing.T) {
	for text, want := range map[string]string{
		`{"body":"O:36:\\\"Symfony\\\\Component\\\"","headers":[]}`:                        `the transport's serializer to "messenger.transport.symfony_serializer"`,
		`{"body":"<a/>","headers":{"type":"App\\Order","content-type":"application/xml"}}`: `must write JSON, found Content-Type "application/xml"`,
		`{"body":"{","headers":{"type":"App\\Order"}}`:                                     `its "body" is not JSON`,
		`{"class":"Order","args":[{},{}]}`:                                                 "args must be one object, found 2 values",
		`{"class":"Shop::","args":[]}`:                                                     "name is empty",
		`{"class":"` + strings.Repeat("x", 256) + `","args":[]}`:                           "longer than 255 bytes",
	} {
		b, err := Parse([]byte(text))
		if _, unknown := errors.AsType[*UnknownFormatError](err); err == nil || unknown || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%s) = %+v, %v, want an error about a known format with %q", text, b, err, want)
		}
	}
}

// A body in an unknown format is told apart, with the strings that may name its command.
func TestParseUnknownFormats(t *testing.T) {
	for text, want := range map[string][]string{
		`{"type":"Order","payload":{"item":"tea"}}`: {"Order"},
		`{"name":"Order","item":"tea","n":1}`:       {"Order", "tea"},
		`{"body":"hello","headers":[]}`:             nil,
		`["Order",{},{}]`:                           nil,
		`Order tea`:                                 nil,
		`{"item":`:                                  nil,
		"\xff":                                      nil,
		``:                                          nil,
	} {
		_, err := Parse([]byte(text))
		unknown, ok := errors.AsType[*UnknownFormatError](err)
		if !ok || !slices.Equal(unknown.Texts, want) {
			t.Errorf("Parse(%q) = %v, want an unknown format with the texts %q", text, err, want)
		}
	}
}
