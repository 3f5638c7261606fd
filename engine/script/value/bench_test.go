package value

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// samples are texts of the sizes that matter: a message, a page of a roster, and the largest frame.
func samples() map[string]string {
	row := `{"admin":false,"uuid":"b1946ac9-2492-4d23-8f0e-31c1c3f1a5d2","type":"player","timestamp":1795384421,` +
		`"resource_id":17,"ip_address":"127.0.0.1","notifications":{},"subscriptions":{},"name":"Ada Lovelace"}`
	return map[string]string{
		"80B":           `{"name":"AddPrize","prize":{"name":"Mug","sponsor":"Acme"},"id":7,"draft":false}`,
		"100 rows":      `{"rows":[` + strings.Repeat(row+",", 99) + row + `]}`,
		"64KiB numbers": `[` + strings.Repeat("12345.5,", 8191) + `1]`,
		"64KiB lists":   `[` + strings.Repeat("[],", 21844) + `1]`,
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, text := range samples() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode([]byte(text), Limits{Depth: 32, Keys: 1 << 16}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, text := range samples() {
		b.Run(name, func(b *testing.B) {
			v, err := Decode([]byte(text), Limits{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			buffer := make([]byte, 0, 1<<17)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Append(buffer, v, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFields(b *testing.B) {
	v, err := Decode([]byte(samples()["80B"]), Limits{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	fields := Fields{v.(*lua.LTable)}
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fields.AppendMembers(buffer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCopy(b *testing.B) {
	v, err := Decode([]byte(samples()["100 rows"]), Limits{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Copy(v); err != nil {
			b.Fatal(err)
		}
	}
}
