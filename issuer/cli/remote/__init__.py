"""Commands that act on a server elsewhere, over its admin API.

`target.py` chooses the server, `admin_api.py` sends requests and reads refusals, `transaction.py`
makes dry runs before changes, `work.py` has what commands use of a unit of work. httpx is imported
here only where a server was chosen.
"""
