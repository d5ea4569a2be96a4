"""Why a request would be allowed or refused."""
