local spec = require "spec"

spec.manager("manager")

describe("StopServer", function()
  it("is for admins only", function()
    local alice = spec.client()
    alice:send("StopServer")
    alice:expect("PromptForAuthentication", { previous = { name = "StopServer" } })
    assert.is_nil(alice.closed)
  end)

  it("tells all clients to reconnect", function()
    local admin, alice = spec.client({ admin = true }), spec.client()
    admin:send("StopServer")
    assert.same({ code = 1012, reason = "server restarting" }, admin.closed)
    assert.same({ code = 1012, reason = "server restarting" }, alice.closed)
  end)
end)
