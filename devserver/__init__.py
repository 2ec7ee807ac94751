"""Runs the whole app locally, without the func CLI."""
