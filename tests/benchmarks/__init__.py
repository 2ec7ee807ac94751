"""The checks of `make load` and `make soak`."""
