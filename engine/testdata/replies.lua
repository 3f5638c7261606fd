-- Answers to messages, and the fields that a message cannot have.
local base = require("manager")
local server = require("server")

local replies = base:extend()

-- Sends a client the error that a function raises.
local function refused(client, name, fn, ...)
  local ok, problem = pcall(fn, ...)
  client:reply(name, { ok = ok, problem = problem and problem:gsub("^%S+:%d+: ", "") })
end

function replies:boot()
  base.boot(self)
  server.command("Tell", function(arguments)
    server.connections():find(arguments.to):reply("Told")
  end)
  server.message("Ask", { protection = "none" }, function(client, message)
    client:reply("Answer", { to = message.question })
    server.sleep(5)
    client:reply("Later")
    server
      .async(function()
        client:reply("FromAsync")
      end)()
      :await()
    client:fail("NoItem", "There is none.", 404)
  end)
  server.message("AskOthers", { protection = "none" }, function(client)
    server.connections():each(function(other)
      other:reply("Asked")
      other:fail("Busy", "Somebody asks.", 409)
    end)
    server.run("Tell", { to = client.uuid })
    server.after(5, function()
      client:reply("AfterTheHandler")
    end)
  end)
  server.message("Lose", { protection = "none" }, function(client, message)
    local all, topic = server.connections(), server.register("news")
    local fields = message.fields
    refused(client, "Client", client.send, client, "X", fields)
    refused(client, "Reply", client.reply, client, "X", fields)
    refused(client, "Connections", all.send, all, "X", fields)
    refused(client, "Topic", topic.send, topic, "X", fields)
    refused(client, "Broadcast", server.broadcast, "X", fields)
  end)
  server.message("Misuse", { protection = "none" }, function(client)
    refused(client, "Text", client.fail, client, "NoItem", 404)
    refused(client, "Code", client.fail, client, "NoItem", "There is none.", "404 or so")
    refused(client, "Table", client.fail, client, { exception = "NoItem" })
  end)
end

return replies
