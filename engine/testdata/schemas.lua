-- A message with a schema, one with a closed one, and one that is for admins.
local base = require("manager")
local server = require("server")

local schemas = base:extend()

function schemas:boot()
  base.boot(self)
  local prize = {
    type = "object",
    required = { "prize" },
    properties = {
      prize = {
        type = "object",
        required = { "name" },
        properties = {
          name = { type = "string", minLength = 1 },
          tags = { type = "array", items = { type = "string" } },
        },
      },
    },
  }
  server.message("Offer", { protection = "none", schema = prize }, function(client, message)
    client:send("Offered", { prize = message.prize })
  end)
  server.message("Close", {
    protection = "none",
    schema = { properties = { why = { enum = { "late", "full" } } }, additionalProperties = false },
  }, function(client)
    client:send("Closed")
  end)
  server.message("Rule", { protection = "admin", schema = prize }, function(client)
    client:send("Ruled")
  end)
  server.message("Whisper", {
    protection = "none",
    schema = { required = { "word" }, properties = { word = { type = "string" } } },
    authorize = function(_, message)
      return message.word:lower() ~= "hush"
    end,
  }, function(client)
    client:send("Whispered")
  end)
end

return schemas
