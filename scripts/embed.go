// Package scripts owns the Lua files that the binary contains, and the give-away's page. It must not know what runs or serves
// them.
package scripts

import "embed"

// Files holds the modules that scripts can require if their own directory has no such file ("manager.lua",
// "giveaway/init.lua"), and the giveaway's page in "giveaway/public". It leaves out specs: files beside a spec are listed by name.
//
//go:embed manager.lua commands/*.lua giveaway/public manager/*.lua
//go:embed giveaway/commands.lua giveaway/init.lua giveaway/messages.lua giveaway/prizes.lua
//go:embed messages/authentication.lua messages/connections.lua messages/notifications.lua
//go:embed messages/registration.lua messages/server.lua messages/topics.lua
var Files embed.FS
