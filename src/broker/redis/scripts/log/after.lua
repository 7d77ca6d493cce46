-- KEYS entries, ids, state   ARGV 'after', 'unread' or 'newest', position, ms, limit, bytes
return after(inbox(KEYS[1], KEYS[2], KEYS[3]), ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]),
  tonumber(ARGV[5]))
