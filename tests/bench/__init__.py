"""Measurements of cost; nothing here is a test."""
