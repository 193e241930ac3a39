"""The venues: their words inside, ours outside."""
