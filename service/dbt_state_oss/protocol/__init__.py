"""The gRPC front end: the server, thin servicers, message conversions and status codes."""
