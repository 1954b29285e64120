"""What ships inside an artifact and runs in a worker."""
