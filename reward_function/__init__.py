"""Records Reward and Activate calls."""
