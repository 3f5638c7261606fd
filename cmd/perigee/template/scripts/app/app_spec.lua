--- Checks the frames that clients receive when one of them presses the button.
--- Run with: perigee test

local spec = require "spec"

spec.manager("app")

describe("Press", function()
  it("is counted and sent to all clients", function()
    local alice, bob = spec.client(), spec.client()
    alice:expect("UpdateButton", { presses = 0 })
    bob:expect("UpdateButton", { presses = 0 })
    alice:send("Press")
    alice:expect("UpdateButton", { presses = 1 })
    bob:expect("UpdateButton", { presses = 1 })
  end)
end)

describe("Rename", function()
  it("is for the connection itself", function()
    local alice, bob = spec.client(), spec.client()
    alice:expect("UpdateButton")
    bob:expect("UpdateButton")
    bob:send("Rename", { connection = alice.uuid, nickname = "Al" })
    bob:expect("PromptForAuthentication")
    alice:send("Rename", { connection = alice.uuid, nickname = "Al" })
    alice:send("Press")
    bob:expect("UpdateButton", { presses = 1, by = "Al" })
  end)

  it("is refused without a nickname", function()
    local alice = spec.client()
    alice:expect("UpdateButton")
    alice:send("Rename", { connection = alice.uuid })
    alice:expect("MessageException", { exception = "InvalidFields" })
  end)
end)

describe("Reset", function()
  it("is for admins", function()
    local alice, admin = spec.client(), spec.client({ admin = true })
    alice:expect("UpdateButton")
    admin:expect("UpdateButton")
    alice:send("Reset")
    alice:expect("PromptForAuthentication")
    admin:send("Reset")
    alice:expect("UpdateButton", { presses = 0 })
  end)
end)
