"""OpenTelemetry: traces and metrics, sent to a collector by OTLP over HTTP.

`environment` decides whether they are wanted, and needs no library. Import the other modules only
then.
"""
