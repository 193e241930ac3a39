"""The broker's rules, pure: no clock, I/O, logging or async; randomness only from a seed that is passed in.

It knows nothing of the hub, on purpose: what it writes down is the oracle that the hub is tested against.
"""
