"""What an endpoint accepts and returns, checked."""
