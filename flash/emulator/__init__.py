"""The platform itself, on this machine."""
