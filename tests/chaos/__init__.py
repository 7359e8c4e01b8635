"""Faults on purpose, and what must be the same after them."""
