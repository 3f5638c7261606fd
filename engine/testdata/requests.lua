-- Handlers that ask other servers. server.config.url is one.
local base = require("manager")
local http = require("http")
local json = require("json")
local server = require("server")

local app = base:extend()

function app:boot()
  base.boot(self)
  local url = server.config.url

  server.message("Get", { protection = "none" }, function(client)
    local response = http.get(url .. "/echo", { headers = { ["X-Mine"] = "yes", Number = 7 } })
    local saw = response:json()
    client:send("Got", {
      status = response.status,
      type = response.headers["content-type"],
      method = saw.method,
      mine = saw.headers["X-Mine"],
      number = saw.headers["Number"],
    })
  end)

  server.message("Post", { protection = "none" }, function(client)
    local plain = http
      .post(url .. "/echo", "some text", { headers = { ["Content-Type"] = "text/plain" } })
      :json()
    local object = http.post(url .. "/echo", nil, { json = { list = { 1, 2 } } }):json()
    local put = http.request({ method = "PUT", url = url .. "/echo", body = "x" }):json()
    client:send("Posted", {
      text = plain.body,
      type = plain.headers["Content-Type"],
      object = json.decode(object.body),
      json = object.headers["Content-Type"],
      put = put.method .. " " .. put.body,
    })
  end)

  server.message("Fail", { protection = "none" }, function(client, message)
    local response, reason =
      http.get(message.url or (url .. message.path), { timeout = message.timeout })
    client:send("Failed", { got = response ~= nil, reason = reason })
  end)

  server.message("Missing", { protection = "none" }, function(client)
    local response = http.get(url .. "/missing")
    local value, reason = response:json()
    client:send("Missed", { status = response.status, value = value, refused = reason ~= nil })
  end)

  server.message("Wrong", { protection = "none" }, function(client)
    local said = {}
    for _, options in ipairs({
      {},
      { url = 7 },
      { url = url, body = {} },
      { url = url, body = "x", json = {} },
      { url = url, headers = "x" },
      { url = url, timeout = 0 },
      { url = url, prot = "x" },
    }) do
      local _, problem = pcall(http.request, options)
      said[#said + 1] = (problem:gsub("^%S+ ", ""))
    end
    client:send("Wronged", { said = said })
  end)

  -- The loop goes on while a handler waits for the server, which answers once it was asked again.
  server.message("Slow", { protection = "none" }, function(client)
    client:send("Begun")
    client:send("Slowed", { body = http.get(url .. "/wait").body })
  end)
  server.message("Release", { protection = "none" }, function(client)
    client:send("Released", { status = http.get(url .. "/release").status })
  end)

  -- A promise that is cancelled gives up its request.
  server.message("GiveUp", { protection = "none" }, function(client)
    local promise = server.async(http.get)(url .. "/hang")
    http.get(url .. "/hanging")
    promise:cancel()
    client:send("GaveUp", { status = http.get(url .. "/gone").status })
  end)
end

return app
