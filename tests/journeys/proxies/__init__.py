"""Real reverse proxies in front of a real issuer, with callers and attackers behind them."""
