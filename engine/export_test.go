package engine

import "perigee/engine/script"

// Program returns the scripts that run; it is for the goroutine that reloads, and for others while none does.
func (s *Server) Program() *script.Program { return s.program }
