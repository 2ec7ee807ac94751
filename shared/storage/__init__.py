"""Where it lives: Azure adapters and their in-memory twins."""
