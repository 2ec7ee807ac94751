"""What the system does, one file per verb; declares the ports it needs."""
