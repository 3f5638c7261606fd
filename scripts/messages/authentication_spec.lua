local spec = require "spec"

spec.manager("manager")

describe("Authenticate", function()
  it("makes a client with the password an admin", function()
    local alice = spec.client()
    assert.is_false(alice.connection.admin)
    alice:send("Authenticate", { password = "password" })
    alice:expect("ConnectionAuthenticated", { connection = { uuid = alice.uuid, admin = true } })
    alice:send("RegisterTopic", { topic = "news" })
    alice:expect("UpdateTopics")
  end)

  it("prompts again after a wrong password, without repeating it", function()
    local alice = spec.client()
    alice:send("Authenticate", { password = "wrong" })
    alice:expect_nothing()
    spec.advance(500)
    local frame = alice:expect("PromptForAuthentication", { code = 401 })
    assert.equal("Authenticate", frame.previous.name)
    assert.equal("[redacted]", frame.previous.password)
  end)

  it("counts a password that is not a string as wrong", function()
    local alice = spec.client()
    alice:send("Authenticate", { password = { "password" } })
    alice:send("Authenticate")
    spec.advance(500)
    alice:expect("PromptForAuthentication")
    alice:expect("PromptForAuthentication")
  end)

  it("closes a connection after too many wrong passwords", function()
    local alice = spec.client()
    for _ = 1, 5 do
      alice:send("Authenticate", { password = "wrong" })
      spec.advance(500)
      alice:expect("PromptForAuthentication")
    end
    assert.same({ code = 4401, reason = "too many failed authentications" }, alice.closed)
  end)
end)
