"""Two servers of one deployment under load, while something happens to their database."""
