-- Commands now, next, later, not at all.
local base = require("manager")
local server = require("server")

local commands = base:extend()

function commands:boot()
  base.boot(self)
  server.command("Say", function(arguments)
    server.broadcast("Said", { word = arguments.word })
    return arguments.word .. "!"
  end)
  server.message("Go", { protection = "none" }, function(client)
    server.next("Say", { word = "never" }):abort()
    server.next("Say", { word = "next" })
    client:send("Result", { result = server.run("Say", { word = "now" }) })
  end)
  server.message("Wait", { protection = "none" }, function()
    server.delay(10, "Say", { word = "never" }):abort()
    server.delay(30, "Say", { word = "later" })
  end)
  server.message("Unknown", { protection = "none" }, function(client)
    local ok, problem = pcall(server.run, "Nothing")
    client:send("Failed", { ok = ok, problem = problem })
  end)
  server.command("Book", {
    schema = {
      required = { "seat" },
      properties = { seat = { type = "integer" } },
      additionalProperties = false,
    },
  }, function(arguments)
    if arguments.seat == 13 then
      server.refuse("there is no seat 13")
    end
    server.broadcast("Booked", { seat = arguments.seat })
  end)
  server.message("Book", { protection = "none" })
  server.listen("Book", "Book")
  local listener = server.listen("Echo", "Say")
  server.message("Echo", { protection = "none" }, function() end)
  server.message("Silence", { protection = "none" }, function(client)
    listener:silence()
    client:send("Silenced")
  end)
end

return commands
