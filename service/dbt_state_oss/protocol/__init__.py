"""gRPC in and out: thin servicers, conversions, status codes, the server."""
