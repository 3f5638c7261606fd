package platform

import "golang.org/x/sys/windows"

// The errors of sockets that packages tell apart with errors.Is. Those of package syscall have numbers that Windows does not use.
const (
	AddressInUse       = windows.WSAEADDRINUSE
	ConnectionAborted  = windows.WSAECONNABORTED
	ConnectionRefused  = windows.WSAECONNREFUSED
	ConnectionReset    = windows.WSAECONNRESET
	HostUnreachable    = windows.WSAEHOSTUNREACH
	NetworkUnreachable = windows.WSAENETUNREACH
	NoBuffers          = windows.WSAENOBUFS
	TooManyFiles       = windows.WSAEMFILE
)
