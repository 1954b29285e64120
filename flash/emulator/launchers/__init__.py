"""How the local platform starts a worker."""
