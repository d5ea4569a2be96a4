"""The console, `/console`: see who may do what, and change it.

It is for people who signed in and hold scopes of the issuer's own audience. It decides nothing:
the units of work refuse what the admin API would refuse.
"""
