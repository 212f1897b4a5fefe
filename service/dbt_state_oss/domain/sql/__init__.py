"""Reading SQL: what a text means, names, reads and calls. Pure: sqlglot and the standard library."""
