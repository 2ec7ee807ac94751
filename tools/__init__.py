"""What an owner runs by hand."""
