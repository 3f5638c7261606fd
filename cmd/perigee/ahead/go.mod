// A module of its own, since its path decides how early it is initialised: see ahead.go.
module ahead

go 1.26.0
