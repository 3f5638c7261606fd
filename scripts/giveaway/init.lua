--- The give-away: people join as players, an admin adds prizes and draws winners, and all clients
--- see it live.

local base = require "manager"
local json = require "json"
local server = require "server"

local giveaway = base:extend()

function giveaway:boot()
  base.boot(self)
  require "giveaway.commands"
  require "giveaway.messages"
  self.prizes = server.state("prizes", {})

  server.listen("ResetPrizes", "ResetPrizes")
  server.every(1000, "BroadcastUptime")
end

function giveaway:open(client)
  base.open(self, client)
  client:send("UpdatePrizes", { prizes = json.array(self.prizes) })
end

--- Shows the whole connection to others: front ends written for the original have columns for
--- e-mail and IP address. The page here shows these to the host only.
function giveaway:roster(client)
  return client
end

return giveaway
