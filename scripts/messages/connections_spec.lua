local spec = require "spec"

spec.manager("manager")

describe("closing connections", function()
  local admin, player, other, spectator

  before_each(function()
    admin = spec.client({ admin = true })
    player = spec.client({ type = "player" })
    other = spec.client({ type = "player" })
    spectator = spec.client({ type = "spectator" })
  end)

  it("is for admins only", function()
    for _, name in ipairs({ "DisconnectPlayers", "DisconnectSpectators", "DisconnectAll" }) do
      player:send(name)
      player:expect("PromptForAuthentication", { previous = { name = name } })
    end
    assert.is_nil(spectator.closed)
  end)

  it("closes all players", function()
    admin:send("DisconnectPlayers")
    assert.equal(1000, player.closed.code)
    assert.equal(1000, other.closed.code)
    assert.is_nil(spectator.closed)
    assert.is_nil(admin.closed)
  end)

  it("closes one player", function()
    admin:send("DisconnectPlayers", { uuid = player.uuid })
    assert.is_not_nil(player.closed)
    assert.is_nil(other.closed)
  end)

  it("closes no spectator as a player", function()
    admin:send("DisconnectPlayers", { uuid = spectator.uuid })
    assert.is_nil(spectator.closed)
  end)

  it("closes all spectators, or one", function()
    admin:send("DisconnectSpectators", { uuid = player.uuid })
    assert.is_nil(player.closed)
    admin:send("DisconnectSpectators")
    assert.is_not_nil(spectator.closed)
    assert.is_nil(player.closed)
  end)

  it("closes all connections of a type, one, or all", function()
    admin:send("DisconnectAll", { type = "spectator" })
    assert.is_not_nil(spectator.closed)
    admin:send("DisconnectAll", { uuid = player.uuid })
    assert.is_not_nil(player.closed)
    assert.is_nil(other.closed)
    admin:send("DisconnectAll", { uuid = 7 })
    assert.is_nil(other.closed)
    admin:send("DisconnectAll")
    assert.is_not_nil(other.closed)
    assert.is_not_nil(admin.closed)
  end)

  it("shows others neither address nor roles", function()
    local agent = spec.client({ user = "ann", roles = { "agent" }, email = "ann@example.com" })
    spec.advance(100)
    local row = other:expect("UpdateConnections", {}, { skip = true }).connections[agent.uuid]
    assert.equal("ann", row.user)
    assert.same({}, { row.roles, row.email, row.ip_address })
    assert.same({ "agent" }, agent.connection.roles)
  end)

  it("updates the roster of the others", function()
    admin:send("DisconnectPlayers")
    spec.advance(100)
    local rows = spectator:expect("UpdateConnections").connections
    assert.is_nil(rows[player.uuid])
    assert.is_not_nil(rows[admin.uuid])
  end)
end)
