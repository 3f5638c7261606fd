package spec

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"

	"perigee/engine/queue"
	"perigee/engine/script/module"
	"perigee/engine/script/value"
)

// maxJobs bounds the jobs that spec.work does at once: jobs may push others.
const maxJobs = 10_000

// job is one that the scripts have pushed and that has not been taken.
type job struct {
	module.Push
	id  uint64
	due time.Time
}

// push keeps a job of the scripts until the spec has it done. It is called on the loop.
func (s *server) push(p module.Push, done func(id uint64, err error)) (cancel func()) {
	s.lastJob++
	s.jobs = append(s.jobs, job{Push: p, id: s.lastJob, due: s.clock.Now().Add(p.Delay)})
	done(s.lastJob, nil)
	return func() {}
}

// waiting returns the jobs in the order in which they would be taken: the most urgent first, and among those the oldest.
func (s *server) waiting() []job {
	return slices.SortedStableFunc(slices.Values(s.jobs), func(a, b job) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.id, b.id))
	})
}

// next takes the first job that is due.
func (s *server) next() (job, bool) {
	for _, j := range s.waiting() {
		if !j.due.After(s.clock.Now()) {
			s.jobs = slices.DeleteFunc(s.jobs, func(other job) bool { return other.id == j.id })
			return j, true
		}
	}
	return job{}, false
}

// work does all jobs that are due, and those that they push, and returns how many. A job that fails is a failure of the
// scripts, and is not tried again.
func (s *server) work() (count int, err error) {
	for ; count < maxJobs; count++ {
		j, ok := s.next()
		if !ok {
			return count, nil
		}
		ended := make(chan error, 1)
		s.manager.Job(context.Background(), queue.Job{ID: j.id, Command: j.Command, Arguments: j.Arguments, Attempt: 1},
			func(err error) { ended <- err })
		if err := s.rest(); err != nil {
			return count, err
		}
		select {
		case err := <-ended:
			if errors.Is(err, queue.ErrNever) { // which no handler has reported
				s.journal.add("job " + j.Command + ": " + err.Error())
			}
		default: // it waits for something that the clock has yet to bring
		}
	}
	return count, errRestless
}

// jobList () returns the jobs that the scripts have pushed and that have not been done, in the order of the queue.
func (f *file) jobList(L *lua.LState) int {
	s, list := f.present(L), L.NewTable()
	for _, j := range s.waiting() {
		arguments, err := value.Decode(j.Arguments, value.Limits{}, value.Null())
		raise(L, err)
		row := L.NewTable()
		row.RawSetString("command", lua.LString(j.Command))
		row.RawSetString("arguments", arguments)
		row.RawSetString("delay", lua.LNumber(j.Delay.Milliseconds()))
		row.RawSetString("priority", lua.LNumber(j.Priority))
		list.Append(row)
	}
	L.Push(list)
	return 1
}

// doJobs () does the jobs that are due, and returns how many.
func (f *file) doJobs(L *lua.LState) int {
	count, err := f.present(L).work()
	raise(L, err)
	L.Push(lua.LNumber(count))
	return 1
}
