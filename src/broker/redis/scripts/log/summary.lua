-- KEYS entries, ids, state
return summary(inbox(KEYS[1], KEYS[2], KEYS[3]))
