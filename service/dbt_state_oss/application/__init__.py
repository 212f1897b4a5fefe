"""The asynchronous use cases, one file each, and the ports to the outside."""
