package state

import (
	"errors"
	"testing"
)

// A file belongs to one process at a time, whatever it does with it meanwhile; others may read it.
func TestClaim(t *testing.T) {
	first := open(t)
	second, err := Open(first.Path())
	if err != nil {
		t.Fatal(err)
	}
	release, err := first.Claim()
	if err != nil {
		t.Fatalf("Claim of a file that nobody has = %v, want nil", err)
	}
	if err := first.Save(map[string][]byte{"a": []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Claim(); !errors.Is(err, ErrTaken) {
		t.Errorf("Claim of a file that another has = %v, want %v", err, ErrTaken)
	}
	if saved, err := second.Read(); err != nil || string(saved["a"]) != "1" {
		t.Errorf("Read of a file that another has = %s, %v, want what it has saved", saved, err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = second.Claim()
	if err != nil {
		t.Fatalf("Claim of a file that was released = %v, want nil", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
