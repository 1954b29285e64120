"""A project directory becomes an artifact."""
