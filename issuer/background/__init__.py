"""Work beside requests: bounded pools of threads, and tasks that repeat."""
