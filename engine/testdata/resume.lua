local base = require "manager"
local server = require "server"

local resume = base:extend()

function resume:boot()
  base.boot(self)
  self.news = server.register("news")
  server.message("Ring", { protection = "none" }, function(client)
    client.rings = (client.rings or 0) + 1
    client.data.rings = client.rings
    server.broadcast("Rang", { by = client.uuid, rings = client.data.rings })
    self.news:send("Headline", { text = "rang" })
  end)
  server.message("Close", { protection = "none" }, function(_, message)
    server.connections():find(message.uuid):close(4000, "enough")
  end)
end

function resume:open(client)
  base.open(self, client)
  client:send("Welcome", { rings = client.data.rings, admin = client.admin })
end

function resume:drop(client)
  local fields = { by = client.uuid, open = client.open, connected = client.connected }
  server.broadcast("Dropped", fields)
end

function resume:resume(client, complete)
  base.resume(self, client, complete)
  client:send("Back", { complete = complete, connected = client.connected })
end

function resume:close(client, reason)
  base.close(self, client, reason)
  server.broadcast("Closed", { by = client.uuid, reason = reason })
end

return resume
