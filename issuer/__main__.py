"""`python -m issuer` is `issuer`."""

from issuer.cli import main

main()
