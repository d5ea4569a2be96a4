"""What this issuer reads from other servers: only public documents, fetched with care.

Imports httpx when it first fetches: most deployments never do.
"""

from issuer.federation.fetching import FetchBudget, FetchedDocument, Fetcher, FetchRefused

__all__ = ["FetchBudget", "FetchRefused", "FetchedDocument", "Fetcher"]
