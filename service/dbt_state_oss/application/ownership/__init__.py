"""Operations on a whole state for its owner: backup, move, prune, and the dependencies between targets."""
