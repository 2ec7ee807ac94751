"""A simulated audience against the running loop: watch it learn."""
