-- Messages for people with a role, and how others are refused.
local base = require("manager")
local server = require("server")

local roles = base:extend()

function roles:boot()
  base.boot(self)
  local ran = 0
  local function run(client)
    ran = ran + 1
    client:send("Ran", { times = ran })
  end
  server.message("SignIn", { protection = "none" }, function(client, message)
    client.user = message.user
    client.roles = message.roles
    client:send("SignedIn", { connection = client, roles = client.roles })
  end)
  server.message("Answer", {
    protection = "none",
    roles = { "agent", "lead" },
    prompt = "Sign in first.",
    authorize = function(_, message)
      ran = ran + 100
      return message.word == "please"
    end,
  }, run)
  server.message("Rename", { protection = "client", owner = "who", roles = { "agent" } }, run)
  local admins = { protection = "admin", roles = { "agent" }, prompt = "Admins only." }
  server.message("Close", admins, run)
  server.message("Ask", { protection = "none" }, function(client)
    client:prompt("Who are you?")
  end)
  server.message("Wrong", { protection = "none" }, function(client)
    local problems = {}
    for index, wrong in ipairs({ "agent", { agent = true }, { "" }, { 1 } }) do
      local _, problem = pcall(function()
        client.roles = wrong
      end)
      problems[index] = problem:match("client%..*")
    end
    client:send("Refused", { problems = problems })
  end)
end

return roles
