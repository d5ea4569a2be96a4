"""What clients and users hold compared with what they used: findings, and smaller rights.

It reads manifests, which a server imports with the first request that needs them.
"""
