"""What the system believes: a contextual-bandit learner in NumPy."""
