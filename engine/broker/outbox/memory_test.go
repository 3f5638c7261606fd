package outbox

import (
	"testing"
	"unsafe"
)

// A memory is allocated as one cache line. A broadcast uses the memories of many clients, so every further line costs time.
func TestMemorySize(t *testing.T) {
	const line = 64 // bytes, on amd64 and most others
	if size := unsafe.Sizeof(memory{}); size > line {
		t.Errorf("a memory has %d bytes, want at most %d", size, line)
	}
}
