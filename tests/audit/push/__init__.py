"""Tests of sending audit events elsewhere."""
