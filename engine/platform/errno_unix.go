//go:build unix

package platform

import "syscall"

// The errors of sockets that packages tell apart with errors.Is.
const (
	AddressInUse       = syscall.EADDRINUSE
	ConnectionAborted  = syscall.ECONNABORTED
	ConnectionRefused  = syscall.ECONNREFUSED
	ConnectionReset    = syscall.ECONNRESET
	HostUnreachable    = syscall.EHOSTUNREACH
	NetworkUnreachable = syscall.ENETUNREACH
	NoBuffers          = syscall.ENOBUFS
	TooManyFiles       = syscall.EMFILE
)
