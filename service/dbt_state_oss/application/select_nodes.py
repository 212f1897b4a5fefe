"""Selects nodes for `state:` selectors, such as `dbt ls -s state:modified` (decision-rules: Selection and deferral)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import NodeEntry
from dbt_state_oss.application.keys import nodes_prefix
from dbt_state_oss.application.large import by_size
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.domain.selection import Criterion, NodeLook, selected
from dbt_state_oss.domain.submission import NodeHashes
from dbt_state_oss.errors import InvalidRequest, NothingRecorded

_CHARACTERS_PER_NODE = 200


@dataclass(frozen=True, slots=True)
class Selection:
    """One request. `nodes` are all candidates by unique id. `target_name` is the dbt target that they are compared with.

    A project without an id has an empty `project_id`.
    """

    criterion: Criterion
    project_id: str
    target_name: str
    nodes: Mapping[str, NodeLook]


class SelectNodes:
    """Answers selections. Reads a fixed number of documents, whatever the number of nodes."""

    def __init__(self, *, node_states: NodeStates) -> None:
        self._node_states = node_states

    async def __call__(self, caller: Caller, selection: Selection) -> list[str]:
        """Return the unique ids of the matching nodes, in the order of the request.

        Raises `InvalidRequest` if the request names no project, `NothingRecorded` if the answer needs a record and there is
        none (rule S4), `StoreError` if the records cannot be read. It never guesses, because the client acts on the answer.
        """
        if not selection.project_id:
            raise InvalidRequest(
                "A state: selector needs the project's ID: set project-id under dbt-cloud in dbt_project.yml. "
                "It can be any value that no other project uses."
            )
        prefix = nodes_prefix(
            caller.organization, selection.target_name, project_id=selection.project_id, project_name=""
        )
        entries = await self._node_states.all_nodes(prefix)
        if not entries and selection.criterion.needs_a_record:
            raise NothingRecorded(
                f"No build of project {selection.project_id} in target {selection.target_name} is recorded, so "
                f"state:{selection.criterion.value} has nothing to compare with. Run dbt in that target first."
            )
        return await by_size(_CHARACTERS_PER_NODE * len(selection.nodes), _matching, selection, entries)


def _matching(selection: Selection, entries: Mapping[str, NodeEntry]) -> list[str]:
    recorded = {unique_id: _look(entry) for unique_id, entry in entries.items() if unique_id in selection.nodes}
    return selected(selection.criterion, selection.nodes, recorded)


def _look(entry: NodeEntry) -> NodeLook:
    hashes = NodeHashes(
        body=entry.body,
        configs=entry.configs,
        macros=entry.macros,
        persisted_descriptions=entry.persisted_descriptions,
        contract=entry.contract,
    )
    return NodeLook(hashes, entry.representation, entry.relation)
