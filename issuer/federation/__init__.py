"""What this issuer reads from other servers: public documents. Imports httpx to fetch them."""

from issuer.federation.fetching import FetchBudget, FetchedDocument, Fetcher, FetchRefused

__all__ = ["FetchBudget", "FetchRefused", "FetchedDocument", "Fetcher"]
