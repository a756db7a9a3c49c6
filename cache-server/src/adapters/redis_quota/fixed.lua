-- Windows that begin with their first grant.

local began, used = now, 0

function open()
  local at, amount = stored('began', 'used')
  if at and now < at + window then
    began, used = at, amount
  end
  return limit - used
end

function take(granted)
  if used == 0 then
    began = now
  end
  used, changed = used + granted, true
  return began + window - now
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
    store(began + window, 'began', digits(began), 'used', digits(used))
  end
end

