"""Years of virtual time in a house of several processes, with the issuer's own code (DESIGN §4).

`memory.py` stands in for the database and for private keys; `processes.py` and `followers.py` are
who lives in the world; `world.py` lets time pass; `invariants.py` says what must always hold;
`schedules.py` draws what happens; `mutants.py` breaks one rule at a time.
"""
