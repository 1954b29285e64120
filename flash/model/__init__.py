"""What things are: frozen values, no effects."""
