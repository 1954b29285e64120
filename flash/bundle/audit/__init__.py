"""Whether what was built will run: every wheel, shared object and import against what a worker has."""
