-- Handlers that wait.
local base = require("manager")
local server = require("server")

local waiting = base:extend()

function waiting:boot()
  base.boot(self)
  local gate = { open = false }
  server.message("Wait", { protection = "none" }, function(client)
    client:send("Waiting")
    local ok, err = pcall(function()
      while not gate.open do
        server.sleep(5)
      end
      error({ code = 7 })
    end)
    client:send("Waited", { ok = ok, code = err.code })
  end)
  server.message("Open", { protection = "none" }, function(client)
    gate.open = true
    client:send("Opened")
  end)
end

return waiting
