"""Clients: services and applications that request tokens (RFC 6749 §2).

Secrets are made here only, shown once, and kept as HMAC-SHA-256.
"""
