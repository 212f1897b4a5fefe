"""The operator's settings for reuse."""

from __future__ import annotations

from dataclasses import dataclass

from dbt_state_oss.domain.cloning import CloneTargets
from dbt_state_oss.domain.decision import BuildOn, MissingEvidence
from dbt_state_oss.domain.node_patterns import NO_NODES, NodePatterns


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that a decision depends on. The defaults are those of the server."""

    build_on: BuildOn = BuildOn.CONFIGS
    missing_evidence: MissingEvidence = MissingEvidence.BUILD
    clone_targets: CloneTargets = CloneTargets.DEVELOPMENT
    never_reuse: NodePatterns = NO_NODES
    """Nodes that are always built (rule L15)."""
    trusted_hooks: NodePatterns = NO_NODES
    """Nodes whose hooks do not change a table that already contains their effects (rules C4, F1a)."""
