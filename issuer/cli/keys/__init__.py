"""Signing keys, and the verifiers that hold them."""
