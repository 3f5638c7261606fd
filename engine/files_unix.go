//go:build unix

package engine

import "syscall"

// openFilesLimit returns how many files this process may open (getrlimit(2)).
func openFilesLimit() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur), err //nolint:unconvert // int64 on FreeBSD
}
