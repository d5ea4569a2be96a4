"""Tests of `issuer/catalogue/`."""
