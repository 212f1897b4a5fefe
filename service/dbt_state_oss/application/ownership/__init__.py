"""What the owner of a state does with it as a whole: back it up, move it, prune it, see what hangs on what."""
