"""The syntax of values: ids, URLs, times, names, claims, JSON, and of the members of resources."""
