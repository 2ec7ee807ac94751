"""What happened: interactions, observations and their join."""
