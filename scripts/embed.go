// Package scripts carries the Lua that ships inside the binary and the giveaway's page. It owns the files and knows
// nothing of who runs or serves them.
package scripts

import "embed"

// Files holds what scripts may require where their own folder has no such module ("manager.lua",
// "giveaway/init.lua"), and the giveaway's page in "giveaway/public".
// Specs are left out; what is listed here by name stands beside some.
//
//go:embed manager.lua commands/*.lua giveaway/public manager/*.lua
//go:embed giveaway/commands.lua giveaway/init.lua giveaway/messages.lua giveaway/prizes.lua
//go:embed messages/authentication.lua messages/connections.lua messages/notifications.lua
//go:embed messages/registration.lua messages/server.lua messages/topics.lua
var Files embed.FS
