"""Long-lived loops: each owns its state and answers by futures."""
