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
    admin:send("StopServer", { id = "a1" })
    assert.same({ code = 1012, reason = "server restarting" }, admin.closed)
    assert.same({ code = 1012, reason = "server restarting" }, alice.closed)
  end)

  it("says that nothing starts the server again, without a supervisor", function()
    local admin = spec.client({ admin = true })
    admin:send("StopServer", { id = "a1" })
    admin:expect("MessageException", { exception = "NoSupervisor", previous = "a1" })
  end)
end)
