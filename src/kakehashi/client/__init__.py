"""Those who talk to the hub from outside: the TradingView emulator."""
