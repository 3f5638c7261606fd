-- An application with a topic that all clients know, which keeps its latest messages, and one that
-- only its subscribers know.
local base = require("manager")
local server = require("server")

local topics = base:extend()

function topics:boot()
  base.boot(self)
  server.register("news", { listed = true, history = 2 })
  server.register("room")
  server.message("Publish", { protection = "none" }, function(_, message)
    server.topic(message.topic):send("Published", { number = message.number })
  end)
end

return topics
