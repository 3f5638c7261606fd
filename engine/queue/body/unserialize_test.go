package body

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

// show formats a value. Deep nesting, as of a value that contains itself, is cut off with "…".
func show(v *phpValue, depth int) string {
	if depth > 5 {
		return "…"
	}
	switch v.Kind {
	case phpNull:
		return "null"
	case phpBool:
		return strconv.FormatBool(v.Bool)
	case phpInt:
		return strconv.FormatInt(v.Int, 10)
	case phpFloat:
		return fmt.Sprintf("%gf", v.Float)
	case phpString:
		return strconv.Quote(v.Text)
	case phpEnum:
		return v.Class + "::" + v.Text
	case phpCustom:
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

func TestUnserialize(t *testing.T) {
	// unserialize returns the value that PHP would.
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
		got, err := unserialize([]byte(text))
		if err != nil {
			t.Errorf("unserialize(%q) = %v, want %s", text, err, want)
		} else if show(got, 0) != want {
			t.Errorf("unserialize(%q) = %s, want %s", text, show(got, 0), want)
		}
	}
}

func TestUnserializeRefuses(t *testing.T) {
	// Text that PHP never writes is refused with the byte offset.
	for text, want := range map[string]string{
		``:                                    "byte 0: the text ends before a value",
		`N`:                                   "byte 0: the text ends before a value",
		`N:`:                                  "byte 0: not a PHP value",
		`x:1;`:                                "byte 0: not a PHP value",
		`N;N;`:                                "byte 2: more text after the value",
		`b:2;`:                                "byte 4: a boolean is neither 0 nor 1",
		`b:`:                                  "byte 2: a boolean is neither 0 nor 1",
		`i:;`:                                 "byte 3: not a whole number",
		`i:+1;`:                               "byte 5: not a whole number",
		`i:9223372036854775808;`:              "byte 22: not a whole number",
		`i:1`:                                 "byte 2: a number has no end",
		`i:` + strings.Repeat("0", 100) + `;`: "byte 2: a number has no end",
		`d:0x1p4;`:                            "byte 8: not a number",
		`d:1E999;`:                            "byte 8: not a number",
		`d:Infinity;`:                         "byte 11: not a number",
		`s:9:"abc";`:                          "byte 5: a string is longer than the text",
		`s:2:"abc";`:                          "byte 7: a string does not have the length it declares",
		`s:-1:"";`:                            "byte 5: a length exceeds the text",
		`s:99999999999:"";`:                   "byte 14: a length exceeds the text",
		`s:3:"abc"`:                           `byte 9: expected ';'`,
		`s:3:abc;`:                            `byte 4: expected '"'`,
		`a:1:{}`:                              "byte 5: the text ends before a value",
		`a:0:{N;}`:                            `byte 5: expected '}'`,
		`a:1000000000:{}`:                     "byte 13: a length exceeds the text",
		`a:1:{N;N;}`:                          "byte 7: a key is neither a number nor a string",
		`a:1:{R:1;N;}`:                        "byte 7: a key is neither a number nor a string",
		`O:0:"":0:{}`:                         "byte 7: an object has no class",
		"O:1:\"A\":1:{s:2:\"\x00*\";N;}":      "byte 20: a property has no name",
		"O:1:\"A\":1:{s:3:\"\x00*\x00\";N;}":  "byte 21: a property has no name",
		`E:4:"Suit";`:                         "byte 11: an enumeration has no class or no case",
		`E:5:"Suit:";`:                        "byte 12: an enumeration has no class or no case",
		`C:1:"A":9:{x}`:                       "byte 11: an object is longer than the text",
		`C:1:"A":1:{xy}`:                      `byte 12: expected '}'`,
		`R:1;`:                                "byte 4: a reference to no value",
		`a:1:{i:0;r:0;}`:                      "byte 13: a reference to no value",
		`a:2:{i:0;R:3;i:1;N;}`:                "byte 13: a reference to no value",
		`a:3:{i:0;C:1:"A":1:{?}i:1;i:8;i:2;R:3;}`: "byte 38: a reference past an object of a Serializable class, which only its PHP code can read",
		strings.Repeat(`a:1:{i:0;`, 65) + `N;`:    "byte 578: values are nested more than 64 levels deep",
		strings.Repeat(`a:1:{i:0;`, 1<<16) + `N;`: "byte 578: values are nested more than 64 levels deep",
	} {
		if v, err := unserialize([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("unserialize(%.60q) = %v, %v, want %q", text, v, err, want)
		}
	}
}

// serialize is the inverse of unserialize for values without references.
func serialize(v *phpValue, depth int, out *strings.Builder) bool {
	if depth > maxDepth || out.Len() > 1<<16 {
		return false // it contains itself, or repeats values
	}
	switch v.Kind {
	case phpNull:
		out.WriteString("N;")
	case phpBool:
		fmt.Fprintf(out, "b:%d;", map[bool]int{true: 1}[v.Bool])
	case phpInt:
		fmt.Fprintf(out, "i:%d;", v.Int)
	case phpFloat:
		text := strconv.FormatFloat(v.Float, 'G', -1, 64)
		if math.IsInf(v.Float, 0) {
			text = strings.TrimPrefix(strings.ToUpper(text), "+")
		}
		fmt.Fprintf(out, "d:%s;", strings.ReplaceAll(text, "NaN", "NAN"))
	case phpString:
		fmt.Fprintf(out, "s:%d:\"%s\";", len(v.Text), v.Text)
	case phpEnum:
		fmt.Fprintf(out, "E:%d:\"%s:%s\";", len(v.Class)+1+len(v.Text), v.Class, v.Text)
	case phpCustom:
		text := v.Text
		if v.Inner == nil && strings.ContainsAny(text, "rR") {
			return false // may contain references, which would mean other values now
		}
		if v.Inner != nil {
			var inner strings.Builder
			if !serialize(v.Inner, depth+1, &inner) {
				return false
			}
			text = inner.String()
		}
		fmt.Fprintf(out, "C:%d:\"%s\":%d:{%s}", len(v.Class), v.Class, len(text), text)
	case phpArray:
		out.WriteString("a")
		return serializeEntries(v, depth, out)
	case phpObject:
		fmt.Fprintf(out, "O:%d:\"%s\"", len(v.Class), v.Class)
		return serializeEntries(v, depth, out)
	}
	return true
}

func serializeEntries(v *phpValue, depth int, out *strings.Builder) bool {
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

// unserialize accepts any text without panicking, returns no more values than the text has bytes, and its result survives serialize
// and unserialize.
func FuzzUnserialize(f *testing.F) {
	for _, text := range []string{
		`N;`, `b:1;`, `i:-5;`, `d:1.0E+25;`, `d:NAN;`, `s:2:"é";`, `E:11:"Suit:Hearts";`,
		`a:2:{i:0;s:1:"a";i:1;R:2;}`, `a:2:{i:0;O:1:"A":0:{}i:1;r:2;}`, `C:1:"A":4:{i:7;}`, `C:1:"A":1:{?}`,
		"O:17:\"App\\Jobs\\AddPrize\":3:{s:4:\"name\";s:3:\"Mug\";s:10:\"\x00*\x00sponsor\";N;s:20:\"\x00App\\Jobs\\AddPrize\x00b\";b:0;}",
		`O:1:"A":1:{s:1:"a";r:1;}`, strings.Repeat(`a:1:{i:0;`, 70), `a:1000000:{}`, `s:9:"abc";`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := unserializer{text: text, sealed: math.MaxInt}
		if _, err := r.value(0); err == nil && len(r.slots) > len(text) {
			t.Fatalf("unserialize(%q) makes %d values of %d bytes", text, len(r.slots), len(text))
		}
		v, err := unserialize(text)
		if err != nil {
			return
		}
		var out strings.Builder
		if !serialize(v, 0, &out) {
			return
		}
		again, err := unserialize([]byte(out.String()))
		if err != nil {
			t.Fatalf("unserialize(%q) = %v, which is %q written out", out.String(), err, text)
		}
		if got, want := show(again, 0), show(v, 0); got != want {
			t.Fatalf("unserialize(%q) = %s, want %s as for %q", out.String(), got, want, text)
		}
	})
}
