--- Reads fields of messages and arguments, which come from outside and may hold anything. A value
--- that is missing or of another type is nil, never an error.

local fields = {}

--- Returns the value at the end of a path: `fields.get(message, "prize", "name")` returns
--- `message.prize.name`, or nil if anything on the way is not a table.
function fields.get(value, ...)
  for index = 1, select("#", ...) do
    if type(value) ~= "table" then
      return nil
    end
    value = value[select(index, ...)]
  end
  return value
end

--- Returns at most the first `bytes` bytes of a text, without cutting a character in two.
function fields.clip(text, bytes)
  if #text <= bytes then
    return text
  end
  while bytes > 0 and text:byte(bytes + 1) >= 0x80 and text:byte(bytes + 1) < 0xC0 do
    bytes = bytes - 1
  end
  return text:sub(1, bytes)
end

--- Returns the string at the end of a path, or nil if it is missing, empty or of another type.
function fields.text(value, ...)
  local text = fields.get(value, ...)
  if type(text) == "string" and text ~= "" then
    return text
  end
  return nil
end

return fields
