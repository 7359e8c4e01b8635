"""Runs the servers and the stages of one data folder, and keeps them running."""
