"""What the trade's words mean. Pure: no clock, randomness, I/O, logging or async."""
