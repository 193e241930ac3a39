"""Delivery of messages about incidents: out of the store's outbox, by Apprise, off the loop."""
