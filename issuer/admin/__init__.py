"""The admin API, `/admin/v1`: JSON in and out, errors as problem details (RFC 9457)."""
