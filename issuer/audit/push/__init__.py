"""Sending audit events to another system as they come, each at least once.

`Pusher` sends them in batches and notes in the database how far the destination has acknowledged
them. A destination is an HTTP endpoint or a syslog server.
"""
