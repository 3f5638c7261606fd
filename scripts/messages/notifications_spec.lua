local json = require "json"
local spec = require "spec"

spec.manager("manager")

describe("notifications", function()
  local alice, bob

  before_each(function()
    alice, bob = spec.client(), spec.client()
  end)

  it("go to the receiver and name the sender", function()
    alice:send("NotifyConnection", { receiver = bob.uuid, sender = "somebody else" })
    local told = bob:expect("UpdateNotifications").notifications
    assert.equal(alice.uuid, told[alice.uuid].sender)
    alice:expect_nothing()
  end)

  it("are kept once for each sender", function()
    alice:send("NotifyConnection", { receiver = bob.uuid })
    bob:expect("UpdateNotifications")
    spec.advance(100)
    bob:send("NotifyConnection", { receiver = bob.uuid })
    bob:expect("UpdateNotifications")
    spec.advance(100)
    alice:send("NotifyConnection", { receiver = bob.uuid })
    local told = bob:expect("UpdateNotifications").notifications
    assert.is_not_nil(told[alice.uuid])
    assert.is_not_nil(told[bob.uuid])
  end)

  it("are sent at once, and further ones within the interval in the next frame", function()
    alice:send("NotifyConnection", { receiver = bob.uuid })
    bob:expect("UpdateNotifications")
    for _ = 1, 50 do
      alice:send("NotifyConnection", { receiver = bob.uuid })
    end
    bob:send("NotifyConnection", { receiver = bob.uuid })
    bob:expect_nothing()
    spec.advance(100)
    assert.is_not_nil(bob:expect("UpdateNotifications").notifications[bob.uuid])
    bob:expect_nothing()
    alice:send("NotifyConnection", { receiver = bob.uuid })
    bob:send("DismissNotifications", { connection = bob.uuid })
    assert.same({}, bob:expect("UpdateNotifications").notifications)
    spec.advance(1000)
    bob:expect_nothing()
  end)

  it("for an unknown receiver have no effect", function()
    alice:send("NotifyConnection", { receiver = "nobody" })
    alice:send("NotifyConnection", { receiver = json.array({ bob.uuid }) })
    alice:send("NotifyConnection")
    alice:expect_nothing()
    bob:expect_nothing()
  end)

  it("are dismissed by their receiver", function()
    alice:send("NotifyConnection", { receiver = bob.uuid })
    bob:expect("UpdateNotifications")
    bob:send("DismissNotifications", { connection = bob.uuid })
    assert.same({}, bob:expect("UpdateNotifications").notifications)
  end)

  it("are dismissed by admins, and by no other client", function()
    alice:send("NotifyConnection", { receiver = bob.uuid })
    bob:expect("UpdateNotifications")
    alice:send("DismissNotifications", { connection = bob.uuid })
    alice:expect("PromptForAuthentication", { previous = { connection = bob.uuid } })
    alice:send("DismissNotifications")
    alice:expect("PromptForAuthentication")
    bob:expect_nothing()
    spec.client({ admin = true }):send("DismissNotifications", { connection = bob.uuid })
    assert.same({}, bob:expect("UpdateNotifications").notifications)
  end)
end)
