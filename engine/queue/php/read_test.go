package php

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

// show writes a value in few letters. What it has written already of a value that holds itself is "…".
func show(v *Value, depth int) string {
	if depth > 5 {
		return "…"
	}
	switch v.Kind {
	case Null:
		return "null"
	case Bool:
		return strconv.FormatBool(v.Bool)
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Float:
		return fmt.Sprintf("%gf", v.Float)
	case String:
		return strconv.Quote(v.Text)
	case Enum:
		return v.Class + "::" + v.Text
	case Custom:
		if v.Inner == nil {
			return fmt.Sprintf("%s<%q>", v.Class, v.Text)
		}
		return fmt.Sprintf("%s<%s>", v.Class, show(v.Inner, depth+1))
	}
	var entries []string
	for _, e := range v.Entries {
		key := e.Key
		if e.Owner != "" {
			key = e.Owner + " " + key
		}
		entries = append(entries, key+":"+show(e.Value, depth+1))
	}
	return v.Class + "{" + strings.Join(entries, " ") + "}"
}

func TestRead(t *testing.T) {
	// Read returns what PHP would make of the text.
	for text, want := range map[string]string{
		`N;`:                                     "null",
		`b:0;`:                                   "false",
		`b:1;`:                                   "true",
		`i:0;`:                                   "0",
		`i:-9223372036854775808;`:                "-9223372036854775808",
		`d:0.1;`:                                 "0.1f",
		`d:1.0E+25;`:                             "1e+25f",
		`d:-INF;`:                                "-Inff",
		`d:NAN;`:                                 "NaNf",
		`s:0:"";`:                                `""`,
		`s:5:"é€";`:                              `"é€"`,
		"s:3:\"\xff\x00;\";":                     `"\xff\x00;"`,
		`s:4:"";i:";`:                            `"\";i:"`,
		`a:0:{}`:                                 "{}",
		`a:2:{i:0;s:1:"a";i:1;N;}`:               `{0:"a" 1:null}`,
		`a:2:{i:-1;i:1;s:1:"k";i:2;}`:            "{-1:1 k:2}",
		`a:3:{i:0;i:1;s:1:"k";i:2;i:0;N;}`:       "{0:null k:2}",
		`a:2:{s:1:"1";i:1;i:1;i:2;}`:             "{1:2}",
		"a:1:{s:4:\"\x00*\x00a\";N;}":            "{\x00*\x00a:null}",
		`O:8:"stdClass":0:{}`:                    "stdClass{}",
		`O:9:"\App\Jobs":1:{s:1:"a";i:1;}`:       `App\Jobs{a:1}`,
		`O:1:"A":1:{i:0;i:1;}`:                   "A{0:1}",
		`E:11:"Suit:Hearts";`:                    "Suit::Hearts",
		`C:1:"A":5:{x|1;2}`:                      `A<"x|1;2">`,
		`C:1:"A":4:{i:7;}`:                       "A<7>",
		`C:1:"A":6:{i:7;{}}`:                     `A<"i:7;{}">`,
		`C:1:"A":0:{}`:                           `A<"">`,
		`a:2:{i:0;s:1:"a";i:1;R:2;}`:             `{0:"a" 1:"a"}`,
		`a:3:{i:0;O:1:"A":0:{}i:1;r:2;i:2;r:3;}`: "{0:A{} 1:A{} 2:A{}}",
		`a:4:{i:0;i:5;i:1;R:2;i:2;i:6;i:3;R:3;}`: "{0:5 1:5 2:6 3:6}",
		`a:3:{i:0;C:1:"A":4:{i:7;}i:1;i:8;i:2;R:4;}`:                   "{0:A<7> 1:8 2:8}",
		`a:2:{i:0;i:8;i:1;C:1:"A":4:{R:2;}}`:                           "{0:8 1:A<8>}",
		`a:3:{i:0;i:8;i:1;C:1:"A":1:{?}i:2;R:2;}`:                      `{0:8 1:A<"?"> 2:8}`,
		`O:1:"A":1:{s:1:"a";r:1;}`:                                     "A{a:A{a:A{a:A{a:A{a:A{a:…}}}}}}",
		"O:1:\"A\":2:{s:4:\"\x00*\x00a\";i:1;s:4:\"\x00A\x00b\";i:2;}": "A{* a:1 A b:2}",
		"O:1:\"A\":2:{s:4:\"\x00A\x00b\";i:1;s:4:\"\x00B\x00b\";i:2;}": "A{A b:1 B b:2}",
		"O:1:\"A\":2:{s:4:\"\x00A\x00b\";i:1;s:4:\"\x00A\x00b\";i:2;}": "A{A b:2}",
	} {
		got, err := Read([]byte(text))
		if err != nil {
			t.Errorf("Read(%q) = %v, want %s", text, err, want)
		} else if show(got, 0) != want {
			t.Errorf("Read(%q) = %s, want %s", text, show(got, 0), want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	// What PHP never writes is an error that names the place.
	for text, want := range map[string]string{
		``:                                    "php: byte 0: the text ends where a value should begin",
		`N`:                                   "php: byte 0: the text ends where a value should begin",
		`N:`:                                  "php: byte 0: no value of PHP begins like this",
		`x:1;`:                                "php: byte 0: no value of PHP begins like this",
		`N;N;`:                                "php: byte 2: more text after the value",
		`b:2;`:                                "php: byte 4: a boolean is neither 0 nor 1",
		`b:`:                                  "php: byte 2: a boolean is neither 0 nor 1",
		`i:;`:                                 "php: byte 3: a whole number cannot be read",
		`i:+1;`:                               "php: byte 5: a whole number cannot be read",
		`i:9223372036854775808;`:              "php: byte 22: a whole number cannot be read",
		`i:1`:                                 "php: byte 2: a number has no end",
		`i:` + strings.Repeat("0", 100) + `;`: "php: byte 2: a number has no end",
		`d:0x1p4;`:                            "php: byte 8: a number cannot be read",
		`d:1E999;`:                            "php: byte 8: a number cannot be read",
		`d:Infinity;`:                         "php: byte 11: a number cannot be read",
		`s:9:"abc";`:                          "php: byte 5: a string is longer than the text",
		`s:2:"abc";`:                          "php: byte 7: a string has another length than it says",
		`s:-1:"";`:                            "php: byte 5: a length is more than the text holds",
		`s:99999999999:"";`:                   "php: byte 14: a length is more than the text holds",
		`s:3:"abc"`:                           `php: byte 9: there is no ';' where it should be`,
		`s:3:abc;`:                            `php: byte 4: there is no '"' where it should be`,
		`a:1:{}`:                              "php: byte 5: the text ends where a value should begin",
		`a:0:{N;}`:                            `php: byte 5: there is no '}' where it should be`,
		`a:1000000000:{}`:                     "php: byte 13: a length is more than the text holds",
		`a:1:{N;N;}`:                          "php: byte 7: a key is neither a number nor a string",
		`a:1:{R:1;N;}`:                        "php: byte 7: a key is neither a number nor a string",
		`O:0:"":0:{}`:                         "php: byte 7: an object has no class",
		"O:1:\"A\":1:{s:2:\"\x00*\";N;}":      "php: byte 20: a property has no name",
		"O:1:\"A\":1:{s:3:\"\x00*\x00\";N;}":  "php: byte 21: a property has no name",
		`E:4:"Suit";`:                         "php: byte 11: an enumeration has no class or no case",
		`E:5:"Suit:";`:                        "php: byte 12: an enumeration has no class or no case",
		`C:1:"A":9:{x}`:                       "php: byte 11: an object is longer than the text",
		`C:1:"A":1:{xy}`:                      `php: byte 12: there is no '}' where it should be`,
		`R:1;`:                                "php: byte 4: a reference leads nowhere",
		`a:1:{i:0;r:0;}`:                      "php: byte 13: a reference leads nowhere",
		`a:2:{i:0;R:3;i:1;N;}`:                "php: byte 13: a reference leads nowhere",
		`a:3:{i:0;C:1:"A":1:{?}i:1;i:8;i:2;R:3;}`: "php: byte 38: a reference leads behind an object that PHP code has written in its own way",
		strings.Repeat(`a:1:{i:0;`, 65) + `N;`:    "php: byte 578: values are nested more than 64 levels deep",
		strings.Repeat(`a:1:{i:0;`, 1<<16) + `N;`: "php: byte 578: values are nested more than 64 levels deep",
	} {
		if v, err := Read([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("Read(%.60q) = %v, %v, want %q", text, v, err, want)
		}
	}
}

// serialize is the inverse of Read for values without references.
func serialize(v *Value, depth int, out *strings.Builder) bool {
	if depth > MaxDepth || out.Len() > 1<<16 {
		return false // it holds itself, or is the same many times
	}
	switch v.Kind {
	case Null:
		out.WriteString("N;")
	case Bool:
		fmt.Fprintf(out, "b:%d;", map[bool]int{true: 1}[v.Bool])
	case Int:
		fmt.Fprintf(out, "i:%d;", v.Int)
	case Float:
		text := strconv.FormatFloat(v.Float, 'G', -1, 64)
		if math.IsInf(v.Float, 0) {
			text = strings.TrimPrefix(strings.ToUpper(text), "+")
		}
		fmt.Fprintf(out, "d:%s;", strings.ReplaceAll(text, "NaN", "NAN"))
	case String:
		fmt.Fprintf(out, "s:%d:\"%s\";", len(v.Text), v.Text)
	case Enum:
		fmt.Fprintf(out, "E:%d:\"%s:%s\";", len(v.Class)+1+len(v.Text), v.Class, v.Text)
	case Custom:
		text := v.Text
		if v.Inner == nil && strings.ContainsAny(text, "rR") {
			return false // perhaps references, which lead elsewhere now
		}
		if v.Inner != nil {
			var inner strings.Builder
			if !serialize(v.Inner, depth+1, &inner) {
				return false
			}
			text = inner.String()
		}
		fmt.Fprintf(out, "C:%d:\"%s\":%d:{%s}", len(v.Class), v.Class, len(text), text)
	case Array:
		out.WriteString("a")
		return serializeEntries(v, depth, out)
	case Object:
		fmt.Fprintf(out, "O:%d:\"%s\"", len(v.Class), v.Class)
		return serializeEntries(v, depth, out)
	}
	return true
}

func serializeEntries(v *Value, depth int, out *strings.Builder) bool {
	fmt.Fprintf(out, ":%d:{", len(v.Entries))
	for _, e := range v.Entries {
		key := e.Key
		if e.Owner != "" {
			key = "\x00" + e.Owner + "\x00" + e.Key
		}
		if n, err := strconv.ParseInt(key, 10, 64); err == nil && strconv.FormatInt(n, 10) == key {
			fmt.Fprintf(out, "i:%d;", n)
		} else {
			fmt.Fprintf(out, "s:%d:\"%s\";", len(key), key)
		}
		if !serialize(e.Value, depth+1, out) {
			return false
		}
	}
	out.WriteString("}")
	return true
}

// Read takes any text without panicking, makes no more values than the text has bytes, and reads again what its values
// are when they are written out.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		`N;`, `b:1;`, `i:-5;`, `d:1.0E+25;`, `d:NAN;`, `s:2:"é";`, `E:11:"Suit:Hearts";`,
		`a:2:{i:0;s:1:"a";i:1;R:2;}`, `a:2:{i:0;O:1:"A":0:{}i:1;r:2;}`, `C:1:"A":4:{i:7;}`, `C:1:"A":1:{?}`,
		"O:17:\"App\\Jobs\\AddPrize\":3:{s:4:\"name\";s:3:\"Mug\";s:10:\"\x00*\x00sponsor\";N;s:20:\"\x00App\\Jobs\\AddPrize\x00b\";b:0;}",
		`O:1:"A":1:{s:1:"a";r:1;}`, strings.Repeat(`a:1:{i:0;`, 70), `a:1000000:{}`, `s:9:"abc";`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := reader{text: text, sealed: math.MaxInt}
		if _, err := r.value(0); err == nil && len(r.slots) > len(text) {
			t.Fatalf("Read(%q) makes %d values of %d bytes", text, len(r.slots), len(text))
		}
		v, err := Read(text)
		if err != nil {
			return
		}
		var out strings.Builder
		if !serialize(v, 0, &out) {
			return
		}
		again, err := Read([]byte(out.String()))
		if err != nil {
			t.Fatalf("Read(%q) = %v, which is %q written out", out.String(), err, text)
		}
		if got, want := show(again, 0), show(v, 0); got != want {
			t.Fatalf("Read(%q) = %s, want %s as for %q", out.String(), got, want, text)
		}
	})
}
