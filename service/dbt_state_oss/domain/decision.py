"""The possible answers to a submission."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from dbt_state_oss.domain.explanation import ExplainLine
from dbt_state_oss.domain.history import Execution, History
from dbt_state_oss.domain.relation import Epoch, Relation


class RejectionReason(IntEnum):
    """Why nothing was skipped or cloned; the numbers are those of the wire."""

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
    """Which changes outside of logic and extras build a node (rule L6a)."""

    CONFIGS = "configs"
    CONFIGS_AND_MACROS = "configs+macros"
    IGNORE = "ignore"


class MissingEvidence(Enum):
    """How a request is treated that does not report everything that a decision needs (rule L13)."""

    BUILD = "build"
    """What is not reported may have changed."""
    IGNORE = "ignore"
    """What is not reported counts as unchanged."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The target is provably what a build would make; `stale` if only the lag tolerance allows it (rule F6)."""

    execution: Execution
    description: str
    explanation: tuple[ExplainLine, ...]
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Clone:
    """Another table provably holds what a build would make, so it is copied (rule C1)."""

    source: Relation
    history: History
    """The execution of the source that made the content."""
    statements: tuple[str, ...]
    """SQL that the client runs in order. It is never empty, since the client would count that as a finished copy."""
    required_epoch: Epoch | None
    """The client builds if the source is newer than this; None if the copy is of an earlier state (rule C2)."""
    description: str
    explanation: tuple[ExplainLine, ...]
    behind: bool = False
    """The source lacks changes of its inputs that the policy allows to wait (rules F4, F5)."""
    stale: bool = False
    """Only the lag tolerance allows them to wait (rule F6)."""

    @property
    def execution(self) -> Execution:
        """The build whose content the copy will hold."""
        assert self.history.latest is not None, "only a recorded build is cloned"
        return self.history.latest


@dataclass(frozen=True, slots=True)
class Build:
    """Equality is not proven, so dbt builds."""

    skip_rejection: RejectionReason
    clone_rejection: RejectionReason
    description: str
    explanation: tuple[ExplainLine, ...] = ()
    because: str = ""
    """Only the cause: the end of the description's sentence."""


Decision = Skip | Clone | Build
