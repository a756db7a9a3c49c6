-- Amounts that are in use until they are given back.

local used = 0

function open()
  used = stored('used') or 0
  return limit - used
end

function take(granted)
  used, changed = used + granted, true
  return 0
end

function give_back(amount)
  local released = math.min(amount, used)
  used, changed = used - released, released > 0
  return released
end

function keep()
  if used == 0 then
    redis.call('DEL', count)
  else
    store(nil, 'used', digits(used))
  end
end

