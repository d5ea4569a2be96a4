"""Work beside requests: bounded pools of threads, work in batches, and tasks that repeat."""
