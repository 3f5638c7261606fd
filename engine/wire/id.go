package wire

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/google/uuid"
)

// NewID returns a new UUID, version 4. It is not a secret: knowing one must not authorize anything.
func NewID() string {
	id, err := uuid.NewRandomFromReader(random{})
	if err != nil {
		panic(err) // random never fails
	}
	return id.String()
}

// random reads the runtime's generator: ChaCha8, seeded by the system, one for each thread. It needs no lock, system call
// or pool, and every message to a client needs an id.
type random struct{}

func (random) Read(p []byte) (int, error) {
	var word [8]byte
	for done := 0; done < len(p); done += len(word) {
		binary.LittleEndian.PutUint64(word[:], rand.Uint64())
		copy(p[done:], word[:])
	}
	return len(p), nil
}
