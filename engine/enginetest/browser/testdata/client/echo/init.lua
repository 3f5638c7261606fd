--- Answers the tests of the client library.

local base = require "manager"
local server = require "server"

local echo = base:extend()

function echo:boot()
  base.boot(self)
  server.register("news")
  server.message("Echo", { protection = "none" }, function(client, message)
    client:reply("Echoed", { value = message.value })
  end)
  server.message("Fail", { protection = "none" }, function(client)
    client:fail("NoItem", "There is none.", 404)
  end)
  server.message("Publish", { protection = "none" }, function(_, message)
    server.topic("news"):send("News", { value = message.value })
  end)
  server.message("Cookie", { protection = "none" }, function(client)
    client:reply("Cookie", { value = client.request.cookies.session })
  end)
  server.message("Ignore", { protection = "none" }, function() end)
  server.message("Rule", { protection = "admin" }, function() end)
end

return echo
