package vm
import ("testing";"fmt";"runtime")
func TestZZ(t *testing.T) {
	m := start(t, Options{})
	for _, src := range []string{`
			local function deep(n)
				if n == 0 then return coroutine.yield() end
				return (("x"):gsub("x", function() return deep(n - 1) end))
			end
			local all = {}
			for i = 1, 10 do
				all[i] = coroutine.wrap(deep)
				all[i](10)
			end
			trip()
			while all do end`, `
			local all = {}
			for i = 1, 10 do
				all[i] = coroutine.wrap(coroutine.yield)
				all[i](10)
			end
			trip()
			while all do end`,`
			local all = {}
			for i = 1, 10 do
				all[i] = coroutine.wrap(coroutine.yield)
				all[i](10)
			end
			coroutine.wrap(function() trip() while true do end end)()`,`
			local all = {}
			for i = 1, 10 do
				all[i] = coroutine.wrap(coroutine.yield)
				all[i](10)
			end
			error("x")`, `
			local all = {}
			for i = 1, 10 do
				all[i] = coroutine.wrap(coroutine.yield)
				all[i](10)
			end
			`,} {
		fmt.Println(m.run(t, src))
		m.turn(t, func() { runtime.GC(); for co := range m.coroutines.live { fmt.Print(co.handle.Value() != nil, " ") }
		 m.deep.idle = nil
		runtime.GC(); for co := range m.coroutines.live { fmt.Print(co.handle.Value() != nil, " ") }
		m.collect(); fmt.Println(len(m.coroutines.live)) })
	}
}
