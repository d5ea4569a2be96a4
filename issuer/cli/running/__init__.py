"""Setting a deployment up, running it, and calling a server."""
