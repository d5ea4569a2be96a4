"""Real reverse proxies in front of a real issuer, callers behind them, and attacks beside them."""
