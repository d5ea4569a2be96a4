"""Whether the ports of `make quickstart` or `make demo` are free, with nothing installed yet.

    python examples/free_ports.py quickstart --port 9100
    python examples/free_ports.py demo --port 9100 --agentos-port 7778

Options are those of the target; others are ignored, and so is what only the target can judge.
"""

import argparse
import errno
import os
import socket
import sys
from contextlib import suppress
from urllib.parse import urlsplit

HERE = "127.0.0.1"
PORT = 9000
AGENTOS_PORT = 7777


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("target")
    parser.add_argument("--host", default=HERE)
    parser.add_argument("--port", type=int)
    parser.add_argument("--agentos-port", type=int, default=AGENTOS_PORT)
    options, _ = parser.parse_known_args()
    is_demo = options.target == "demo"  # which ignores ISSUER_URL
    port = options.port
    if port is None:
        port = PORT if is_demo else port_of(os.environ.get("ISSUER_URL", ""))
    require_free(options.host, port, f"make {options.target} ARGS='--port {port + 1}'")
    if is_demo:
        port = options.agentos_port
        require_free(HERE, port, f"make demo ARGS='--agentos-port {port + 1}'")


def port_of(issuer_url: str) -> int:
    """Where `issuer quickstart` serves this URL; it says itself if the URL is malformed."""
    with suppress(ValueError):
        url = urlsplit(issuer_url)
        return url.port or (80 if url.scheme == "http" else PORT)
    return PORT


def require_free(host: str, port: int, otherwise: str) -> None:
    try:
        with suppress(OverflowError):
            socket.create_server((host, port), family=family_of(host)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(
                f"The address {host}, port {port}, is taken by another program. Choose another"
                f" port: {otherwise}"
            )


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


if __name__ == "__main__":
    main()
