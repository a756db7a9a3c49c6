-- A window that ends now. Grants that lie closer together than a hundredth of the window are one, at the time of the last
-- of them: field n of the count has the first time, the last time and the amount of the n-th.

local oldest, newest, used = 1, 0, 0

local function grants(index)
  local first, last, amount = string.match(redis.call('HGET', count, digits(index)), '(%d+) (%d+) (%d+)')
  return tonumber(first), tonumber(last), tonumber(amount)
end

local function write(index, first, last, amount)
  redis.call('HSET', count, digits(index), digits(first) .. ' ' .. digits(last) .. ' ' .. digits(amount))
end

local function forget(index)
  redis.call('HDEL', count, digits(index))
  changed = true
end

function open()
  local from, to, amount = stored('oldest', 'newest', 'used')
  if from then
    oldest, newest, used = from, to, amount
  end
  while oldest <= newest do
    local _, last, expired = grants(oldest)
    if now < last + window then
      break
    end
    forget(oldest)
    oldest, used = oldest + 1, used - expired
  end
  return limit - used
end

function take(granted)
  local first, last, amount = now, now, 0
  if oldest <= newest then
    first, last, amount = grants(newest)
  end
  if oldest > newest or (now ~= last and now - first >= math.floor(window / 100)) then
    newest, first, amount = newest + 1, now, 0
  end
  write(newest, first, now, amount + granted)
  used, changed = used + granted, true
  return window
end

-- The oldest first: what goes on counting then counts the longest.
function give_back(wanted)
  local left = wanted
  while left > 0 and oldest <= newest do
    local first, last, amount = grants(oldest)
    local released = math.min(left, amount)
    left, used, changed = left - released, used - released, true
    if released == amount then
      forget(oldest)
      oldest = oldest + 1
    else
      write(oldest, first, last, amount - released)
    end
  end
  return wanted - left
end

function keep()
  if oldest > newest then
    redis.call('DEL', count)
    return
  end
  local _, last = grants(newest)
  store(last + window, 'oldest', digits(oldest), 'newest', digits(newest), 'used', digits(used))
end

