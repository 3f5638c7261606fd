local spec = require "spec"

spec.manager("manager")

describe("joining", function()
  local ada = { name = { first = "Ada", last = "Lovelace" }, email = "ada@example.com" }

  it("makes a player", function()
    local alice = spec.client()
    alice:send("JoinAsPlayer", { registration = ada })
    local me = {
      uuid = alice.uuid,
      type = "player",
      name = "Ada Lovelace",
      email = "ada@example.com",
    }
    alice:expect("ConnectionRegistered", { connection = me })
  end)

  it("makes a spectator", function()
    local alice = spec.client()
    alice:send("JoinAsSpectator", { registration = { name = { first = " Ada " } } })
    local me = { type = "spectator", name = "Ada", email = "Not Available" }
    alice:expect("ConnectionRegistered", { connection = me })
  end)

  it("needs no name, and ignores a name that is not a string", function()
    local alice = spec.client()
    local odd = { first = { "Ada" }, last = " " }
    for _, registration in ipairs({ {}, { name = 7 }, { name = odd } }) do
      alice:send("JoinAsPlayer", { registration = registration })
      alice:expect("ConnectionRegistered", { connection = { name = "Anonymous" } })
    end
    alice:send("JoinAsPlayer")
    alice:expect("ConnectionRegistered", { connection = { name = "Anonymous" } })
  end)

  it("shortens names and addresses that are too long", function()
    local alice = spec.client()
    alice:send("JoinAsPlayer", { registration = { name = { first = ("ä"):rep(150) } } })
    local frame = alice:expect("ConnectionRegistered")
    assert.equal(("ä"):rep(100), frame.connection.name)
  end)

  it("shows the others the name, but not the addresses", function()
    local alice, bob = spec.client(), spec.client()
    alice:send("JoinAsPlayer", { registration = ada })
    spec.advance(100)
    local row = bob:expect("UpdateConnections").connections[alice.uuid]
    assert.equal("Ada Lovelace", row.name)
    assert.is_nil(row.email)
    assert.is_nil(row.ip_address)
  end)
end)
