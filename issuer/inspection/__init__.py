"""Asks an AgentOS what it consists of, and which of its routes answer without the right token.

Its requests only read. Importing the package does not import httpx: `inspector` does.
"""
