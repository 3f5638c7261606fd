-- A message of each protection, and one that a listener answers.
local base = require("manager")
local server = require("server")

local protections = base:extend()

function protections:boot()
  base.boot(self)
  server.message("Ring", { protection = "none" }, function(client)
    server.broadcast("Rang", { by = client.uuid })
  end)
  server.message("Halt", { protection = "admin" }, function()
    server.broadcast("Halted")
  end)
  server.message("Rename", { protection = "client", owner = "who" }, function(_, message)
    local client = server.connections():find(message.who)
    client.nickname = message.nickname
    client:send("Renamed", { connection = client })
  end)
  server.message("Whisper", {
    protection = "none",
    authorize = function(_, message)
      return message.word == "please"
    end,
  }, function(client)
    client:send("Whispered")
  end)
  server.message("Count", { protection = "none" })
  local count = 0
  server.command("Count", function(arguments)
    count = count + (arguments.by or 1)
    server.broadcast("Counted", { count = count })
  end)
  server.listen("Count", "Count")
end

return protections
