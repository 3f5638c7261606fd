-- What scripts cannot reach.
local base = require("manager")
local server = require("server")

local sandbox = base:extend()

function sandbox:boot()
  base.boot(self)
  server.message("Reach", { protection = "none" }, function(client)
    local reached = {}
    local names = "io debug package channel load loadstring loadfile dofile collectgarbage"
    for name in names:gmatch("%a+") do
      reached[name] = _G[name] ~= nil
    end
    for name in ("execute exit getenv remove rename tmpname"):gmatch("%a+") do
      reached[name] = os[name] ~= nil
    end
    client:send("Reached", {
      globals = reached,
      require = pcall(require, "../../../etc/passwd"),
      strings = pcall(function()
        getmetatable("").__index = nil
      end),
      still = ("x"):rep(3),
    })
  end)
  server.message("Blow", { protection = "none" }, function(_, message)
    if message.how == "rep" then
      return ("x"):rep(1e9)
    elseif message.how == "double" then
      local text = "x"
      while true do
        text = text .. text
      end
    elseif message.how == "recursion" then
      local function again()
        return 1 + again()
      end
      return again()
    elseif message.how == "index" then
      local list = {}
      list[60000000] = 1
      return #list
    elseif message.how == "pattern" then
      return (("a"):rep(30)):find(("a?"):rep(30) .. ("a"):rep(30) .. "b")
    end
    return error(setmetatable({}, {
      __tostring = function()
        error("again")
      end,
    }))
  end)
end

return sandbox
