"""Trains on a schedule and on demand."""
