-- KEYS entries, ids, state, and where entries are mailed the schedule
-- ARGV channel, id, payload, size, ttl in ms, and with a schedule user, ms until it is due
return append(inbox(KEYS[1], KEYS[2], KEYS[3]), ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), false,
  scheduling(KEYS[4], ARGV[6], ARGV[2], ARGV[3], tonumber(ARGV[7]), tonumber(ARGV[5])))
