"""The process that serves: the application, the HTTP server, workers, signals, probes."""
