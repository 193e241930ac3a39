"""The simulated MetaTrader 5 world: a trade server process, its client, and the mock EA that trades on it."""
