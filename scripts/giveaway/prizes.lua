--- A pool of prizes: a list in the order in which they are given away. It does not use the server.

local prizes = {}

--- Adds a prize {name, sponsor, uuid} to the end of the pool and returns it.
function prizes.add(pool, prize)
  local added = {
    awarded = false,
    name = prize.name,
    sponsor = prize.sponsor,
    uuid = prize.uuid,
  }
  pool[#pool + 1] = added
  return added
end

--- Returns the first prize without a winner, or nil.
function prizes.available(pool)
  for _, prize in ipairs(pool) do
    if not prize.winner then
      return prize
    end
  end
  return nil
end

--- Gives a prize to the connection with this uuid. The name stays known after the winner has left.
function prizes.award(prize, uuid, name)
  prize.awarded = true
  prize.winner = uuid
  prize.winner_name = name
end

--- Removes all prizes from the pool.
function prizes.clear(pool)
  for index = #pool, 1, -1 do
    pool[index] = nil
  end
end

return prizes
