package engine

import "perigee/engine/script"

// Program returns the scripts that run. It must not be called while a reload runs.
func (s *Server) Program() *script.Program { return s.program }
