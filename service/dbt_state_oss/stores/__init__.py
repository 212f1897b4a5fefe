"""Backends of the ObjectStore port, one file each. Only bootstrap imports them."""
