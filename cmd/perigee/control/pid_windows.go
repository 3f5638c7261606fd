package control

import "golang.org/x/sys/windows"

// stillActive is the exit code of a process that runs (STILL_ACTIVE).
const stillActive = 259

// exists reports whether there is a process with this ID.
func exists(pid int) bool {
	process, err := openProcess(pid)
	if err != nil {
		return err == windows.ERROR_ACCESS_DENIED //nolint:errorlint // an Errno, as openProcess returns it
	}
	defer func() { _ = windows.CloseHandle(process) }()
	var code uint32
	return windows.GetExitCodeProcess(process, &code) == nil && code == stillActive
}

// programName returns the path of the program of a process.
func programName(pid int) (string, error) {
	process, err := openProcess(pid)
	if err != nil {
		return "", err
	}
	defer func() { _ = windows.CloseHandle(process) }()
	name := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(name))
	if err := windows.QueryFullProcessImageName(process, 0, &name[0], &size); err != nil {
		return "", err
	}
	return windows.UTF16ToString(name[:size]), nil
}

func openProcess(pid int) (windows.Handle, error) {
	return windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
}
