"""Backups: a whole database as one archive, from either database and into either.

`archive` is the format, `encryption` uses age, `backing_up` writes an archive while servers run,
`restoring` fills an empty database from one, and `saved_feed` revokes again what was revoked since.
"""
