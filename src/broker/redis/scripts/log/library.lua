-- The function for publishers: FCALL {{notify}} 1 <user> <payload>, answers the cursor.
-- What stands in double braces is filled in when the library is loaded.

local function is_user(user)
  return #user >= 1 and #user <= 256 and not string.find(user, '[%z\1-\31\127]')
end

-- The well-formed sequences of more than one byte (Unicode 15, table 3-7). Each becomes an x, so that what stood
-- around it cannot join to another; a byte that is left belongs to none.
local sequences = {
  '[\194-\223][\128-\191]', '\224[\160-\191][\128-\191]', '[\225-\236\238\239][\128-\191][\128-\191]',
  '\237[\128-\159][\128-\191]', '\240[\144-\191][\128-\191][\128-\191]',
  '[\241-\243][\128-\191][\128-\191][\128-\191]', '\244[\128-\143][\128-\191][\128-\191]',
}

local function is_utf8(payload)
  local beyond_ascii = '[\128-\255]'
  if not string.find(payload, beyond_ascii) then return true end
  for _, sequence in ipairs(sequences) do payload = string.gsub(payload, sequence, 'x') end
  return not string.find(payload, beyond_ascii)
end

local function as_text(payload, name, value)
  if type(value) == 'string' then return value end
  if type(value) ~= 'number' then return nil end
  -- cjson has made a double of it; the digits as they stand are the id.
  return string.match(payload, '"' .. name .. '"%s*:%s*(%-?[%d%.eE%+%-]+)') or string.format('%.17g', value)
end

local function find_id(payload, fields)
  for _, name in ipairs({ 'id', 'notificationId', 'notification_id' }) do
    local value = fields[name]
    if (type(value) == 'string' and value ~= '') or type(value) == 'number' then
      return as_text(payload, name, value)
    end
  end
  local time = redis.call('TIME')
  local noise = redis.sha1hex(payload .. time[1] .. time[2])
  local ms = string.format('%012x', time[1] * 1000 + math.floor(time[2] / 1000))
  return string.format('%s-%s-7%s-a%s-%s', string.sub(ms, 1, 8), string.sub(ms, 9), string.sub(noise, 1, 3),
    string.sub(noise, 4, 6), string.sub(noise, 7, 18))
end

local function notify(keys, args)
  local user, payload = keys[1], args[1]
  if not user or not payload then
    return redis.error_reply('INVALID give one key, the user, and one argument, the notification')
  end
  if not is_user(user) then
    return redis.error_reply('INVALID user_id: 1 to 256 bytes without control characters')
  end
  -- A cluster has looked for the node by what it takes for the hash tag.
  if {{in_cluster}} and string.find(user, '[{}]') then
    return redis.error_reply('INVALID user_id: in a cluster, ids with braces are published for over HTTP only')
  end
  if #payload > {{max_payload_bytes}} then
    return redis.error_reply('INVALID too_large: the payload exceeds {{max_payload_bytes}} bytes')
  end
  local is_json, fields = pcall(cjson.decode, payload)
  if not is_json or not string.find(payload, '^%s*{') or not is_utf8(payload) then
    return redis.error_reply('INVALID not_an_object: the payload is not a JSON object')
  end
  for _, name in ipairs({ 'user_id', 'userId' }) do
    local said = fields[name]
    if said ~= nil and said ~= cjson.null and as_text(payload, name, said) ~= user then
      return redis.error_reply('INVALID wrong_user: ' .. name .. ' contradicts the key')
    end
  end
  local name = {{prefix}} .. 'inbox:{' .. user .. '}:'
  local box = inbox(name .. 'entries', name .. 'ids', name .. 'state')
  local channel = {{before}} .. user .. {{after}}
  local id = find_id(payload, fields)
  local before = {{mail_after}} > 0 and has_address(payload)
    and function() schedule(schedule_of(user), user, id, {{mail_after}}, {{ttl}}) end
  return append(box, channel, id, payload, {{size}}, {{ttl}}, false, before)[2]
end

redis.register_function('{{notify}}', notify)
