"""Structured logs; later metrics and spans, each as a table."""
