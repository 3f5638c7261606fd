--- The commands of the give-away: they add prizes, draw winners and tell all clients.

local fields = require "manager.fields"
local json = require "json"
local log = require "log"
local prizes = require "giveaway.prizes"
local server = require "server"

-- Kept through reloads.
local pool = server.state("prizes", {})

local function tell_prizes()
  server.broadcast("UpdatePrizes", { prizes = json.array(pool) })
end

--- AddPrize {prize = {name, sponsor}}. Jobs may pass {name, sponsor} directly.
server.command("AddPrize", function(arguments)
  local name = fields.text(arguments, "prize", "name") or fields.text(arguments, "name")
  local sponsor = fields.text(arguments, "prize", "sponsor") or fields.text(arguments, "sponsor")
  prizes.add(pool, { name = name, sponsor = sponsor, uuid = server.uuid() })
  tell_prizes()
end)

--- PickRandomWinner gives the next prize to a random player. After the last prize, the remaining
--- players become losers. Returns a problem if there is a prize but no player.
server.command("PickRandomWinner", function()
  local prize = prizes.available(pool)
  if not prize then
    return nil
  end
  local winner = server.connections():types("player"):random()
  if not winner then
    log.info("no player to win the prize", { prize = prize.uuid })
    local sentence = "There is no player to win the prize."
    return { exception = "NoPlayers", message = sentence, code = 409 }
  end

  prizes.award(prize, winner.uuid, winner.name)
  winner.prize = prize
  winner.type = "winner"
  if not prizes.available(pool) then
    server.connections():types("player"):each(function(player)
      player.type = "loser"
    end)
  end

  server.roster()
  tell_prizes()
  winner:send("AwardWinner", { prize = prize })
end)

--- ResetPrizes removes all prizes and makes winners and losers players again.
server.command("ResetPrizes", function()
  prizes.clear(pool)
  server.connections():types("winner", "loser"):each(function(client)
    client.prize = nil
    client.type = "player"
  end)
  tell_prizes()
  server.roster()
end)

--- BroadcastUptime sends start, now and elapsed in whole seconds; now is start + elapsed.
server.command("BroadcastUptime", function()
  local elapsed = math.floor(server.uptime())
  local start = math.floor(server.time() - server.uptime())
  server.broadcast("CurrentUptime", { elapsed = elapsed, start = start, now = start + elapsed })
end)
