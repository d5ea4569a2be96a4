"""The guest house without agno: following a key set, and verifying with it."""
