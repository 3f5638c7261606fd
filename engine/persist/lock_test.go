package persist

import (
	"errors"
	"testing"
)

// Only one process at a time can lock a file, also while it saves; others may read it.
func TestLock(t *testing.T) {
	first := openFile(t)
	second, err := Open(first.path)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := first.Lock()
	if err != nil {
		t.Fatalf("Lock of an unlocked file = %v, want nil", err)
	}
	if err := first.Save(map[string][]byte{"a": []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Lock(); !errors.Is(err, ErrLocked) {
		t.Errorf("Lock of a locked file = %v, want %v", err, ErrLocked)
	}
	if saved, err := second.Read(); err != nil || string(saved["a"]) != "1" {
		t.Errorf("Read of a locked file = %s, %v, want what was saved", saved, err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = second.Lock()
	if err != nil {
		t.Fatalf("Lock of a file that was unlocked = %v, want nil", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}
