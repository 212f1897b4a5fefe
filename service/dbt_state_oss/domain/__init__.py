"""Pure rules: no I/O, clock, environment, logging, gRPC or protobuf. Everything that a decision needs arrives as an argument."""
