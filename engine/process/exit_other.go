//go:build !linux

package process

// awaitExit waits until the program has ended. On systems other than Linux this reaps it. The ID of its group cannot be reused
// while other processes of the group are left; if none is left, a new group with this ID would have to begin in the instant until
// the caller has sent the last signal.
func (r *run) awaitExit() {
	_ = r.cmd.Wait() // ProcessState has more than the error
}
