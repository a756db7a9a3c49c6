if answer then
  local given = redis.call('HMGET', answer, 'amount', 'valid_until', 'forget_at')
  if given[1] and now < tonumber(given[3]) then
    local valid_until = tonumber(given[2])
    -- Zero would mean for ever.
    return { tonumber(given[1]), valid_until > 0 and math.max(valid_until - now, 1) or 0 }
  end
end

local left = math.max(open(), 0)
local granted, valid = 0, 0
if amount < 0 then
  granted = give_back(-amount)
else
  if amount <= left then
    granted = amount
  elseif less_will_do then
    granted = left
  end
  if granted > 0 then
    valid = take(granted)
  end
end
if changed then
  keep()
end

if answer then
  local valid_until = valid > 0 and now + valid or 0
  redis.call('HSET', answer, 'amount', digits(granted), 'valid_until', digits(valid_until),
    'forget_at', digits(now + remember * 1000))
  redis.call('PEXPIRE', answer, digits(remember))
end
return { granted, valid }
