-- Handlers that go wrong.
local base = require("manager")
local server = require("server")

local errors = base:extend()

function errors:boot()
  base.boot(self)
  server.message("Fail", { protection = "none" }, function()
    error("a secret of the server")
  end)
  server.message("FailAfterAll", { protection = "none" }, function(client)
    client:send("Begun")
    server.sleep(10)
    local nothing = nil
    return nothing.field
  end)
  server.message("Loop", { protection = "none" }, function()
    while true do
      pcall(function()
        while true do
        end
      end)
    end
  end)
  server.message("Ring", { protection = "none" }, function(client)
    client:send("Rang")
  end)
end

function errors:error(client, problem)
  base.error(self, client, problem)
  client:send("Noticed")
end

return errors
