"""Backends of the ObjectStore port. Only `opening` imports them."""
