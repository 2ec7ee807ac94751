"""Answers Rank calls."""
