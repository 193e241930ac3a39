"""MetaTrader 5 sessions: a process each, watched, replaced, and never asked twice to do the same thing."""
