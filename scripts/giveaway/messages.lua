--- What admins of the giveaway may ask for. The work is in giveaway.commands, where jobs and timers
--- find it too.

local exceptions = require "manager.exceptions"
local server = require "server"

local TEXT = { type = { "string", "null" } }

--- AddPrize {prize = {name, sponsor}}. A prize may lack either.
server.message("AddPrize", {
  protection = "admin",
  schema = {
    required = { "prize" },
    properties = {
      prize = { type = "object", properties = { name = TEXT, sponsor = TEXT } },
    },
  },
}, function(_, message)
  server.run("AddPrize", { prize = message.prize })
end)

--- PickRandomWinner
server.message("PickRandomWinner", { protection = "admin" }, function(client, message)
  local problem = server.run("PickRandomWinner")
  if problem then
    exceptions.send(client, message, problem)
  end
end)

--- ResetPrizes: a command listens to it.
server.message("ResetPrizes", { protection = "admin" })
