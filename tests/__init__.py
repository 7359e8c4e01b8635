"""Qala's tests."""
