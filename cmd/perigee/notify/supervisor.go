package notify

import "strconv"

// Supervisor returns the name of the program that started this process and starts it again when it ends, or "" if none is
// recognized. environment returns a variable of the environment, "" if it is not set.
func Supervisor(environment func(name string) string, pid int) string {
	switch {
	case environment("SYSTEMD_EXEC_PID") == strconv.Itoa(pid), environment("NOTIFY_SOCKET") != "":
		return "systemd" // systemd.exec(5); other variables of systemd are also those of shells in its sessions
	case environment("SUPERVISOR_ENABLED") != "":
		return "Supervisor"
	case environment("pm_id") != "":
		return "pm2"
	case environment("KUBERNETES_SERVICE_HOST") != "":
		return "Kubernetes"
	case pid == 1:
		return "the container runtime"
	default:
		return ""
	}
}
