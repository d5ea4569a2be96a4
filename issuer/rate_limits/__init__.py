"""Rate limits: credentials of users and network addresses, token requests, registrations.

Counted in the memory of the process, or with `SharedCounts` in Redis for all processes.
"""
