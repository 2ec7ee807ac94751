"""Shows how a loop is doing."""
