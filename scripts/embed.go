// Package scripts carries the Lua that ships inside the binary and the giveaway's page. It owns the files and knows
// nothing of who runs or serves them.
package scripts

import "embed"

// Files holds what scripts may require where their own folder has no such module ("manager.lua",
// "giveaway/init.lua"), and the giveaway's page in "giveaway/public".
//
//go:embed *.lua commands/*.lua giveaway/*.lua giveaway/public manager/*.lua messages/*.lua
var Files embed.FS
