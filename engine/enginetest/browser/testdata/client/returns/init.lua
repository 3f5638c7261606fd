--- Counts its hooks, for the test of a page that is loaded again while another one watches.

local base = require "manager"
local server = require "server"

local returns = base:extend()

local ran = { open = 0, drop = 0, resume = 0, close = 0 }

for hook in pairs(ran) do
  returns[hook] = function(self, ...)
    ran[hook] = ran[hook] + 1
    return base[hook](self, ...)
  end
end

function returns:boot()
  base.boot(self)
  server.register("news")
  server.message("Ring", { protection = "none" }, function(client)
    client.data.rings = (client.data.rings or 0) + 1
    local fields = { by = client.uuid, rings = client.data.rings, ran = ran }
    server.broadcast("Rang", fields)
    server.topic("news"):send("Headline", { by = client.uuid })
  end)
end

return returns
