-- KEYS entries, ids, state   ARGV channel
return mark_all(inbox(KEYS[1], KEYS[2], KEYS[3]), ARGV[1])
