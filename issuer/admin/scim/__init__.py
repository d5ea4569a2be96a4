"""SCIM 2.0 (RFC 7643, 7644): an identity provider creates, changes and removes users and groups.

`routes.py` is all that a server imports at its start; the library and the operations come with the
first request.
"""
