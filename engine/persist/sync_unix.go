//go:build unix

package persist

import (
	"errors"
	"os"
)

// syncDirectory syncs the entries of a directory to the disk.
func syncDirectory(path string) (err error) {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, directory.Close()) }()
	return directory.Sync()
}
