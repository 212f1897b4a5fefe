"""Analysis of SQL: what a text means, names, reads and calls. Pure code, on sqlglot and the standard library."""
