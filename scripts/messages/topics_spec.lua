local spec = require "spec"

spec.manager("manager")

describe("topics", function()
  local admin, alice

  before_each(function()
    admin, alice = spec.client({ admin = true }), spec.client()
  end)

  -- Registers a topic and returns its uuid.
  local function register(name)
    admin:send("RegisterTopic", { topic = name })
    admin:expect("UpdateTopics")
    for uuid, topic in pairs(alice:expect("UpdateTopics").topics) do
      if topic.name == name then
        return uuid
      end
    end
  end

  describe("RegisterTopic and UnregisterTopic", function()
    it("are for admins only", function()
      alice:send("RegisterTopic", { topic = "news" })
      alice:expect("PromptForAuthentication")
      alice:send("UnregisterTopic", { topic = "news" })
      alice:expect("PromptForAuthentication")
      admin:expect_nothing()
    end)

    it("tell all clients", function()
      local uuid = register("news")
      admin:send("UnregisterTopic", { topic = "news" })
      assert.is_nil(alice:expect("UpdateTopics").topics[uuid])
      assert.is_not_nil(register("news"))
    end)

    it("leave an existing topic unchanged", function()
      register("news")
      admin:send("RegisterTopic", { topic = "news" })
      admin:send("UnregisterTopic", { topic = "weather" })
      alice:expect_nothing()
    end)

    it("tell clients that connect later", function()
      local uuid = register("news")
      local topics = spec.client():expect("UpdateTopics").topics
      assert.equal("news", topics[uuid].name)
    end)

    it("take a uuid, too", function()
      local uuid = register("news")
      admin:send("UnregisterTopic", { uuid = uuid })
      assert.is_nil(alice:expect("UpdateTopics").topics[uuid])
    end)

    it("require a name of at most 255 bytes", function()
      for _, topic in ipairs({ "", ("x"):rep(256), 7 }) do
        admin:send("RegisterTopic", { topic = topic })
        admin:expect("MessageException", { exception = "InvalidFields", code = 422 })
      end
      alice:expect_nothing()
    end)
  end)

  describe("Subscribe and Unsubscribe", function()
    it("send the client its subscriptions", function()
      local uuid = register("news")
      alice:send("Subscribe", { topic = "news" })
      local mine = alice:expect("UpdateSubscriptions").subscriptions
      assert.equal("news", mine[uuid].name)
      alice:send("Unsubscribe", { topic = uuid })
      assert.same({}, alice:expect("UpdateSubscriptions").subscriptions)
      admin:expect_nothing()
    end)

    it("end with the topic", function()
      register("news")
      alice:send("Subscribe", { topic = "news" })
      alice:expect("UpdateSubscriptions")
      admin:send("UnregisterTopic", { topic = "news" })
      assert.same({}, alice:expect("UpdateSubscriptions").subscriptions)
      alice:expect("UpdateTopics")
    end)

    it("answer an unknown topic with an exception", function()
      for _, name in ipairs({ "Subscribe", "Unsubscribe" }) do
        alice:send({ name = name, topic = "news", id = "a1" })
        local refusal = { exception = "UnknownTopic", code = 404, previous = "a1" }
        alice:expect("MessageException", refusal)
      end
    end)

    it("have a limit", function()
      for number = 1, 129 do
        local name = "topic " .. number
        register(name)
        alice:send("Subscribe", { topic = name })
        if number <= 128 then -- limits.subscriptions
          alice:expect("UpdateSubscriptions")
        end
      end
      alice:expect("MessageException", { exception = "TooManySubscriptions", code = 429 })
    end)
  end)
end)
