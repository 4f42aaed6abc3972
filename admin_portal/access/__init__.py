"""Who comes in, and what they may do here: roles, two factors, sessions, throttling."""
