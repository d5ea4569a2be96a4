"""A deployment as a whole: first start, recovery, a new URL or master key, plans of manifests."""
