--- The messages of the give-away, all for admins. Commands do the work, so that jobs and timers can
--- run it too.

local server = require "server"

local TEXT = { type = { "string", "null" } }

--- AddPrize {prize = {name, sponsor}}. Both are optional.
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
server.message("PickRandomWinner", { protection = "admin" }, function(client)
  local problem = server.run("PickRandomWinner")
  if problem then
    client:fail(problem.exception, problem.message, problem.code)
  end
end)

--- AskSupervisor asks which program would start the server again after StopServer, so that the page
--- can say what will happen.
server.message("AskSupervisor", { protection = "admin" }, function(client)
  client:reply("Supervisor", { supervisor = server.supervisor() })
end)

--- ResetPrizes is handled by the command of that name.
server.message("ResetPrizes", { protection = "admin" })
