--- What admins of the giveaway may ask for. The work is in giveaway.commands, where jobs and timers
--- find it too.

local exceptions = require "manager.exceptions"
local server = require "server"

--- AddPrize {prize = {name, sponsor}}
server.message("AddPrize", { protection = "admin" }, function(_, message)
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
