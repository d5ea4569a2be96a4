"""Setting a deployment up: first start, recovery, a new URL, a new master key."""
