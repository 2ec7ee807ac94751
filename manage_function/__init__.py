"""Shows and changes a loop's settings and model."""
