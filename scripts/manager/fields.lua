--- Reads fields of messages and of commands' arguments. They come from outside and may hold
--- anything: what is missing or has another type is nil, never an error.

local fields = {}

--- The value at the end of a path: `fields.get(message, "prize", "name")` is `message.prize.name`,
--- or nil where anything on the way is no table.
function fields.get(value, ...)
  for index = 1, select("#", ...) do
    if type(value) ~= "table" then
      return nil
    end
    value = value[select(index, ...)]
  end
  return value
end

--- The first bytes of a text, at most so many, with no character cut in two.
function fields.clip(text, bytes)
  if #text <= bytes then
    return text
  end
  while bytes > 0 and text:byte(bytes + 1) >= 0x80 and text:byte(bytes + 1) < 0xC0 do
    bytes = bytes - 1
  end
  return text:sub(1, bytes)
end

--- The string at the end of a path, or nil where there is another type, nothing, or an empty
--- string.
function fields.text(value, ...)
  local text = fields.get(value, ...)
  if type(text) == "string" and text ~= "" then
    return text
  end
  return nil
end

return fields
