-- People, each with any number of connections, and private data of a connection.
local base = require("manager")
local server = require("server")

local users = base:extend()

function users:boot()
  base.boot(self)
  server.message("SignIn", { protection = "none" }, function(client, message)
    client.user = message.user
    client.data.since = 7
    client:send("SignedIn", { connection = client, own = client:fields() })
  end)
  server.message("Tell", { protection = "none" }, function(client, message)
    local all = server.connections():user(message.user)
    all:send("Told", { by = client.user, users = server.users() })
  end)
  server.message("Choose", { protection = "none" }, function(client, message)
    local chosen = server.connections():where(function(other)
      return other ~= client
    end)
    client:send("Chosen", { count = chosen:user(message.user):count() })
  end)
  server.message("Leave", { protection = "none" }, function(client)
    server.connections():user(client.user):close(4000, "left")
  end)
  server.message("Remember", { protection = "none" }, function(client, message)
    client.data = message.data
    client:send("Remembered", { data = client.data })
  end)
  server.message("Recall", { protection = "none" }, function(client)
    client:send("Recalled", { data = client.data, user = client.user })
  end)
  server.message("Wrong", { protection = "none" }, function(client)
    local problems = {}
    local function try(field, value)
      local ok, problem = pcall(function()
        client[field] = value
      end)
      problems[#problems + 1] = ok and "none" or problem:match("client%..*")
    end
    try("user", {})
    try("user", string.rep("x", 256))
    try("data", "text")
    try("data", { callback = print })
    try("data", { text = string.rep("x", 65536) })
    client:send("Refused", { problems = problems })
  end)
end

return users
