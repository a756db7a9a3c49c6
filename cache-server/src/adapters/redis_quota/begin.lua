-- One request for an amount of a quota.
--
-- KEYS[1]  the count
-- KEYS[2]  the remembered answer, if the request has an id
-- ARGV     the amount (what is negative is given back), whether less will do (0 or 1), the limit, its window and the
--          unit of time of a bucket in microseconds, for how many milliseconds an answer is remembered, and the time
--          in microseconds, empty for Redis' own
-- Answers the amount that is granted or was given back, and for how many microseconds a grant is valid, 0 for ever.

local count, answer = KEYS[1], KEYS[2]
local amount, less_will_do, limit = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3])
local window, unit, remember = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local now = tonumber(ARGV[7])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- A number as Redis stores it: Lua's own way would round it.
local function digits(number)
  return string.format('%.0f', number)
end

-- Fields of the count as numbers, or nothing where there is none. Its clock does not go backwards.
local function stored(...)
  local fields = redis.call('HMGET', count, 'now', ...)
  for index, value in ipairs(fields) do
    fields[index] = tonumber(value or nil)
  end
  if not fields[1] then
    return nil
  end
  now = math.max(now, fields[1])
  return unpack(fields, 2)
end

-- Writes fields of the count, and lets it go at a point in time.
local function store(goes_at, ...)
  redis.call('HSET', count, 'now', digits(now), ...)
  if goes_at then
    redis.call('PEXPIRE', count, digits(math.ceil((goes_at - now) / 1000) + 1))
  end
end

-- What follows defines, for one way of counting: open, which says how much is left; take, which takes so much of it and
-- says for how long that is valid; give_back, which says how much it was; and keep, which writes down what changed.
local changed = false
local open, take, give_back, keep

