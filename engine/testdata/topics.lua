-- An application with a topic for everybody, one for admins, and one that it sends to.
local base = require("manager")
local server = require("server")

local topics = base:extend()

function topics:boot()
  base.boot(self)
  server.register("news", { protection = "none" })
  server.register("secrets", { protection = "admin" })
  server.message("Publish", { protection = "none" }, function(_, message)
    local topic = server.topic(message.topic)
    topic:send("Published", { topic = topic.name, count = topic.count })
  end)
end

return topics
