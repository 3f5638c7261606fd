package engine

import "math"

// openFilesLimit returns that there is no limit: Windows has none of this kind.
func openFilesLimit() (uint64, error) { return math.MaxUint64, nil }
