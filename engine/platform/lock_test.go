package platform

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"perigee/engine/testkit"
)

// One lock excludes the other until it is released, and its file stays.
func TestLock(t *testing.T) {
	directory := t.TempDir()
	path := filepath.Join(directory, "lock")
	release, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("TryLock of a lock that is held = %v, want %v", err, ErrLocked)
	}
	locked := make(chan error, 1)
	go func() {
		release, err := Lock(path)
		if err == nil {
			err = release()
		}
		locked <- err
	}()
	select {
	case err := <-locked:
		t.Errorf("Lock of a lock that is held = %v, want that it waits", err)
	default:
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if err := testkit.Receive(t, locked, "the lock"); err != nil {
		t.Errorf("Lock and its release = %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file of the lock: %v, want it there", err)
	}
	if release, err = TryLock(directory); err != nil {
		t.Fatalf("TryLock of a directory = %v, want nil", err)
	}
	if _, err := TryLock(directory); !errors.Is(err, ErrLocked) {
		t.Errorf("TryLock of a directory that is locked = %v, want %v", err, ErrLocked)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if _, err := TryLock(filepath.Join(path, "none")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("TryLock in a file = %v, want the error of the system", err)
	}
}
