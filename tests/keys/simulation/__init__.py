"""Simulates years of an issuer of several processes, with the issuer's own code.

`memory.py` replaces the database and the private keys; `processes.py` are the servers and
`key_sets.py` what verifiers hold; `world.py` lets time pass; `invariants.py` is what must always
hold; `schedules.py` draws what happens; `mutants.py` breaks one rule at a time.
"""
