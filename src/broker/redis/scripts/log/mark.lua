-- KEYS entries, ids, state   ARGV channel, id, 'r'ead or 'd'eleted
return mark(inbox(KEYS[1], KEYS[2], KEYS[3]), ARGV[1], ARGV[2], ARGV[3])
