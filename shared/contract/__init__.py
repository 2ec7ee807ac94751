"""The Personalizer wire format: parse, render, error codes."""
