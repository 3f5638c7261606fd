package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
)

// minKey is the shortest admin key, in bytes, that may protect a server on a public address.
const minKey = 12

// maxKeyFile is the largest key file, in bytes: a larger file is not a key.
const maxKeyFile = 4096

// Key is the admin key. It holds only a hash, so that nothing can print the secret. The zero Key matches nothing.
type Key struct {
	sum    [sha256.Size]byte
	strong bool
}

// NewKey returns the key for a secret.
func NewKey(secret string) Key {
	return Key{sum: sha256.Sum256([]byte(secret)), strong: secret != "password" && len(secret) >= minKey}
}

// Matches reports whether given is the key. It takes the same time wherever the two differ and whatever their lengths.
func (k Key) Matches(given string) bool {
	sum := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(sum[:], k.sum[:]) == 1
}

// IsDefault reports whether the key is too weak for a public address: empty, "password", or shorter than 12 bytes. Such a
// key must be accepted from peers with Peer.Direct only.
func (k Key) IsDefault() bool { return !k.strong }

// String never shows the key.
func (Key) String() string { return "[redacted]" }

// GoString never shows the key.
func (Key) GoString() string { return "[redacted]" }

// LogValue never shows the key.
func (Key) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// ReadKeyFile reads the secret of a key from a file and drops one newline at its end. It refuses a file that users other than its
// owner may write, or may read unless anyMayRead is set; an empty one, and one above 4 KiB. Errors name the file but not its content.
func ReadKeyFile(path string, anyMayRead bool) (string, error) {
	secret, err := readKeyFile(path, anyMayRead)
	if err != nil {
		return "", fmt.Errorf("key file %s: %w", path, err)
	}
	return secret, nil
}

func readKeyFile(path string, anyMayRead bool) (string, error) {
	// Opening a named pipe would wait for its writer, so check the kind of file first.
	if info, err := os.Stat(path); err != nil {
		return "", withoutPath(err)
	} else if !info.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", withoutPath(err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return "", withoutPath(err)
	}
	if err := checkMode(info.Mode().Perm(), anyMayRead); err != nil && runtime.GOOS != "windows" { // which has no permission bits
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return "", withoutPath(err)
	}
	if len(text) > maxKeyFile {
		return "", fmt.Errorf("larger than %d bytes", maxKeyFile)
	}
	secret := string(text)
	if line, ok := strings.CutSuffix(secret, "\n"); ok {
		secret = strings.TrimSuffix(line, "\r")
	}
	if secret == "" {
		return "", errors.New("empty")
	}
	return secret, nil
}

func checkMode(mode fs.FileMode, anyMayRead bool) error {
	switch {
	case mode&0o022 != 0:
		return fmt.Errorf("mode %04o lets users other than its owner write it; run chmod 600", mode)
	case mode&0o044 != 0 && !anyMayRead:
		return fmt.Errorf(`mode %04o lets users other than its owner read it; run chmod 600, or set key_file_mode = "any" if it is a mounted secret`, mode)
	default:
		return nil
	}
}

// withoutPath removes the path from an error of package os, since the caller adds it.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}
