"""Routes each event to the rules and says what changed. Pure: time and ids come with the event."""
