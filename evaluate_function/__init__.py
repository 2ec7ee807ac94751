"""Keeps evaluations and feature importances."""
