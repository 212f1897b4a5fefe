"""The place of authentication: tokens in, principal out. Without it there is one fixed organization."""
