--- All messages of the giveaway.

local prizes = require "giveaway.prizes"
local spec = require "spec"

describe("the giveaway", function()
  local admin, alice

  before_each(function()
    admin = spec.client({ admin = true })
    alice = spec.client({ type = "player" })
    admin:expect("UpdatePrizes", { prizes = {} })
    alice:expect("UpdatePrizes", { prizes = {} })
  end)

  local function add(name)
    admin:send("AddPrize", { prize = { name = name, sponsor = "Acme" } })
    alice:expect("UpdatePrizes")
    return admin:expect("UpdatePrizes").prizes
  end

  it("is for admins only", function()
    for _, name in ipairs({ "AddPrize", "AskSupervisor", "PickRandomWinner", "ResetPrizes" }) do
      alice:send(name, { prize = { name = "Mug" } })
      alice:expect("PromptForAuthentication", { previous = { name = name } })
    end
    admin:expect_nothing()
    assert.same({}, spec.state("prizes"))
  end)

  it("sends the prizes to a new client", function()
    add("Mug")
    spec.client():expect("UpdatePrizes", { prizes = { { name = "Mug" } } })
  end)

  it("sends the uptime each second, in whole seconds", function()
    spec.advance(2500)
    local first = alice:expect("CurrentUptime", { elapsed = 1 })
    alice:expect("CurrentUptime", { elapsed = 2, start = first.start, now = first.start + 2 })
    alice:expect_nothing()
  end)

  it("shows all fields of a connection to the others", function()
    local bob = spec.client({ name = "Bob", email = "bob@example.com" })
    spec.advance(100)
    local row = { name = "Bob", email = "bob@example.com", ip_address = "127.0.0.1" }
    alice:expect("UpdateConnections", { connections = { [bob.uuid] = row } })
  end)

  describe("AddPrize", function()
    it("adds a prize and tells all clients", function()
      admin:send("AddPrize", { prize = { name = "Mug", sponsor = "Acme" } })
      local mug = { name = "Mug", sponsor = "Acme", awarded = false }
      admin:expect("UpdatePrizes", { prizes = { mug } })
      alice:expect("UpdatePrizes", { prizes = { mug } })
    end)

    it("keeps the order", function()
      add("Mug")
      local two = add("Cap")
      assert.equal("Mug", two[1].name)
      assert.equal("Cap", two[2].name)
    end)

    it("requires a prize whose fields are strings", function()
      local wrong = { exception = "InvalidFields", message = "prize: is missing", code = 422 }
      admin:send("AddPrize")
      admin:expect("MessageException", wrong)
      admin:send("AddPrize", { prize = { name = { "Mug" } } })
      local frame = admin:expect("MessageException", { exception = "InvalidFields" })
      assert.matches("^prize%.name: ", frame.message)
      alice:expect_nothing()
    end)

    it("is a command for jobs, too", function()
      spec.run("AddPrize", { name = "Mug", sponsor = "Acme" })
      alice:expect("UpdatePrizes", { prizes = { { name = "Mug", sponsor = "Acme" } } })
    end)
  end)

  describe("PickRandomWinner", function()
    it("does nothing without a prize", function()
      admin:send("PickRandomWinner")
      admin:expect_nothing()
      alice:expect_nothing()
    end)

    it("tells the admin if there is no player", function()
      add("Mug")
      alice:close()
      admin:send({ name = "PickRandomWinner", id = "7" })
      local refusal = { exception = "NoPlayers", code = 409, previous = "7" }
      admin:expect("MessageException", refusal)
    end)

    it("gives the first remaining prize to a player", function()
      add("Mug")
      add("Cap")
      admin:send("PickRandomWinner")
      local won = { name = "Mug", awarded = true, winner = alice.uuid }
      local left = { name = "Cap", awarded = false }
      admin:expect("UpdatePrizes", { prizes = { won, left } })
      alice:expect("UpdatePrizes", { prizes = { won, left } })
      alice:expect("AwardWinner", { prize = won })
      admin:expect_nothing()
      spec.advance(100)
      local row = { type = "winner", prize = won }
      admin:expect("UpdateConnections", { connections = { [alice.uuid] = row } })
    end)

    it("makes the other players losers after the last prize", function()
      local bob = spec.client({ type = "player" })
      local watcher = spec.client({ type = "spectator" })
      add("Mug")
      admin:send("PickRandomWinner")
      spec.advance(100)
      local rows = admin:expect("UpdatePrizes") and admin:expect("UpdateConnections").connections
      local types = { rows[alice.uuid].type, rows[bob.uuid].type }
      table.sort(types)
      assert.same({ "loser", "winner" }, types)
      assert.equal("spectator", rows[watcher.uuid].type)
    end)
  end)

  describe("AskSupervisor", function()
    it("is answered, also if there is none", function()
      admin:send({ name = "AskSupervisor", id = "8" })
      assert.is_nil(admin:expect("Supervisor", { previous = "8" }).supervisor)
    end)
  end)

  describe("ResetPrizes", function()
    it("removes all prizes and makes winners and losers players again", function()
      add("Mug")
      admin:send("PickRandomWinner")
      alice:expect("UpdatePrizes")
      alice:expect("AwardWinner")
      admin:expect("UpdatePrizes")
      admin:send("ResetPrizes")
      admin:expect("UpdatePrizes", { prizes = {} })
      alice:expect("UpdatePrizes", { prizes = {} })
      spec.advance(100)
      local row = admin:expect("UpdateConnections").connections[alice.uuid]
      assert.equal("player", row.type)
      assert.is_nil(row.prize)
    end)
  end)
end)

describe("the pool of prizes", function()
  it("returns the first prize without a winner", function()
    local pool = {}
    assert.is_nil(prizes.available(pool))
    local mug = prizes.add(pool, { name = "Mug" })
    local cap = prizes.add(pool, { name = "Cap" })
    assert.equal(mug, prizes.available(pool))
    prizes.award(mug, "somebody", "Ada")
    assert.is_true(mug.awarded)
    assert.equal("Ada", mug.winner_name)
    assert.equal(cap, prizes.available(pool))
    prizes.clear(pool)
    assert.same({}, pool)
  end)
end)
