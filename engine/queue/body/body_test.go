package body

import (
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
		`{"job":"AddPrize"}`:               {Name: "AddPrize"},
		`{"job":"AddPrize","data":null}`:   {Name: "AddPrize"},
		`{"job":"AddPrize","data":""}`:     {Name: "AddPrize"},
		`{"job":"AddPrize","data": [ ] }`:  {Name: "AddPrize"},
		`{"job":"AddPrize","data":{}}`:     {Name: "AddPrize", Arguments: []byte(`{}`)},
		`{"job":"AddPrize","data":7}`:      {Name: "AddPrize", Arguments: []byte(`7`)},
		`{"job":"AddPrize","data":[1, 2]}`: {Name: "AddPrize", Arguments: []byte(`[1,2]`)},
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
		``:                              "body: the job is not JSON: it is truncated",
		`AddPrize`:                      "body: the job is not JSON: invalid at byte 0",
		`{"job":"AddPrize"`:             "body: the job is not JSON: invalid at byte 17",
		`{"job":"AddPrize",}`:           "body: the job is not JSON: invalid at byte 17",
		`{"job":"AddPrize","data":{x}}`: "body: the job is not JSON: invalid at byte 26",
		`{"job":"half \ud83d"}`:         "body: the job is not JSON: invalid at byte 13",
		`["AddPrize"]`:                  "body: the job is not a JSON object",
		`"AddPrize"`:                    "body: the job is not a JSON object",
		`{"job":"AddPrize"}{}`:          "body: the job has more text after its JSON object",
		`{"job":"AddPrize"}x`:           "body: the job has more text after its JSON object",
		"{\"job\":\"\xff\"}":            "body: the job is not UTF-8",
		`{}`:                            `body: the job has no name: its "job" is missing, empty or not a string`,
		`{"data":{"job":"AddPrize"}}`:   `body: the job has no name: its "job" is missing, empty or not a string`,
		`{"job":""}`:                    `body: the job has no name: its "job" is missing, empty or not a string`,
		`{"job":7}`:                     `body: the job has no name: its "job" is missing, empty or not a string`,
		`{"job":"App\\"}`:               "body: the job's name is empty or longer than 255 bytes",
		`{"job":"@add"}`:                "body: the job's name is empty or longer than 255 bytes",
		`{"job":"App\\@add"}`:           "body: the job's name is empty or longer than 255 bytes",
		`{"job":"@handle"}`:             "body: the job's name is empty or longer than 255 bytes",
		`{"job":"` + strings.Repeat("x", 256) + `"}`:   "body: the job's name is empty or longer than 255 bytes",
		`{"job":"` + strings.Repeat("x", Limit) + `"}`: "body: the job is longer than 65536 bytes",
	} {
		if b, err := Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("Parse(%.60s) = %+v, %v, want %q", text, b, err, want)
		}
	}
}
