-- Choosing among connections.
local base = require("manager")
local server = require("server")

local collections = base:extend()

function collections:boot()
  base.boot(self)
  server.message("Be", { protection = "none" }, function(client, message)
    client.type = message.type
    client.team = message.team
    client:send("Been", { type = client.type, team = client.team })
  end)
  server.message("Ask", { protection = "none" }, function(client)
    local all = server.connections()
    local names = {}
    for other in all:each() do
      names[#names + 1] = other.type
    end
    all:types({ "red", "blue" }):each(function(other)
      names[#names + 1] = other.type
    end)
    local reds = all:where(function(other)
      return other.team == "reds"
    end)
    client:send("Answer", {
      all = all:count(),
      names = names,
      reds = reds:count(),
      one = all:types("red"):random(),
      nobody = all:types("green"):random() == nil,
      me = all:find(client.uuid) == client,
      unknown = all:find("x") == nil,
    })
    reds:send("HelloReds")
  end)
  server.message("Leave", { protection = "none" }, function()
    server.connections():types("red"):close(4000, "reds leave")
  end)
end

return collections
