-- A bucket that fills up evenly. What is missing from it is counted in parts of a token, of which each has as many as the
-- window has units of time: so each unit of time brings back as many parts as the bucket has tokens.

local units = math.ceil(window / unit)
local missing, at = 0, now

function open()
  local parts, when, units_then, unit_then, limit_then =
    stored('missing', 'at', 'units', 'unit', 'limit')
  if parts then
    local passed = math.floor((now - when) / unit_then)
    if parts <= 0 or (limit_then > 0 and passed >= math.ceil(parts / limit_then)) then
      missing, at = 0, now
    else
      missing, at = parts - passed * limit_then, when + passed * unit_then
    end
    if units_then ~= units or unit_then ~= unit then
      missing = math.ceil(missing / units_then) * units
    end
    -- A bucket that became smaller is empty at most.
    missing = math.min(missing, limit * units)
  end
  return limit - math.ceil(missing / units)
end

function take(granted)
  missing, changed = missing + granted * units, true
  return window
end

function give_back(amount)
  local released = math.min(amount, math.floor(missing / units))
  missing, changed = missing - released * units, released > 0
  return released
end

function keep()
  if missing <= 0 then
    redis.call('DEL', count)
    return
  end
  local full_at = at + window
  if limit > 0 then
    full_at = at + math.ceil(missing / limit) * unit
  end
  store(full_at, 'missing', digits(missing), 'at', digits(at),
    'units', digits(units), 'unit', digits(unit), 'limit', digits(limit))
end

