"""The answers that a submission can have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from dbt_state_oss.domain.explanation import ExplainLine
from dbt_state_oss.domain.history import Execution, History
from dbt_state_oss.domain.relation import Epoch, Relation


class RejectionReason(IntEnum):
    """Why nothing was skipped or cloned; the wire's numbers."""

    NO_FINGERPRINT_MATCH = 0
    TARGET_TABLE_MISMATCH = 1
    EXECUTION_TYPE_MISMATCH = 2
    EXECUTION_TYPE_NOT_FULL = 3
    TARGET_TABLE_DOES_NOT_EXIST = 4
    FORCED_NOT_ELIGIBLE = 5
    NO_SUITABLE_MATCH_FOUND = 6
    TARGET_TABLE_MATCH = 7
    LATEST_QUERY_HASH_NOT_MATCH = 8
    OUTSIDE_TIME_TRAVEL_WINDOW = 9
    CLONE_CHAIN_LIMIT_EXCEEDED = 10


class BuildOn(Enum):
    """Which changes outside logic and extras build a node (rule L6a)."""

    CONFIGS = "configs"
    CONFIGS_AND_MACROS = "configs+macros"
    IGNORE = "ignore"


class MissingEvidence(Enum):
    """What a request means that does not report all that a decision needs (rule L13)."""

    BUILD = "build"
    """What is not reported may have changed."""
    IGNORE = "ignore"
    """What is not reported counts as unchanged."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The target is provably what a build would make; `stale` where only the lag tolerance allows it (rule F6)."""

    execution: Execution
    description: str
    explanation: tuple[ExplainLine, ...]
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Clone:
    """Another table provably holds what a build would make, so it is copied (rule C1)."""

    source: Relation
    history: History
    """The source's, as it was when it held that."""
    statements: tuple[str, ...]
    """SQL that the client runs in order; never empty, since the client would take that for a copy that was made."""
    required_epoch: Epoch | None
    """The client builds if the source is younger than this; None where the copy is of a moment in the past (rule C2)."""
    description: str
    explanation: tuple[ExplainLine, ...]
    behind: bool = False
    """The source lacks changes of its inputs that may wait (rules F4, F5)."""
    stale: bool = False
    """They may wait because of the lag tolerance alone (rule F6)."""

    @property
    def execution(self) -> Execution:
        """The build whose content the copy will hold."""
        assert self.history.latest is not None, "only a recorded build is cloned"
        return self.history.latest


@dataclass(frozen=True, slots=True)
class Build:
    """Something is not proven equal, so dbt builds."""

    skip_rejection: RejectionReason
    clone_rejection: RejectionReason
    description: str
    explanation: tuple[ExplainLine, ...] = ()
    because: str = ""
    """The cause alone: the end of the description's sentence."""


Decision = Skip | Clone | Build
