"""Resolve deferred relations: where the nodes live in the defer target that a run reads from instead of building them.

The client reads from whatever name it is given, without a check; a node that is left out it looks for where dbt's naming macros
put it. So only names that are on record, of tables whose builds are on record too, are given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.keys import nodes_prefix
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import TargetKey


@dataclass(frozen=True, slots=True)
class Deferral:
    """One question. `target_name` is the defer target; a project without an id has an empty `project_id`."""

    project_id: str
    project_name: str
    profile_name: str
    target_name: str
    unique_ids: Collection[str]


class ResolveDeferred:
    """Answers deferrals from the node states and the ledger."""

    def __init__(self, *, node_states: NodeStates, ledger: Ledger) -> None:
        self._node_states = node_states
        self._ledger = ledger

    async def __call__(self, caller: Caller, deferral: Deferral) -> dict[str, Relation]:
        """The relations of those of the nodes that are on record, by unique id. Raises `StoreError`."""
        places = await self._places(caller.organization, deferral)
        built = await self._built(caller.organization, set(places.values()))
        return {unique_id: Relation(place.name) for unique_id, place in places.items() if place in built}

    async def _places(self, organization: str, deferral: Deferral) -> dict[str, TargetKey]:
        """Where each node was last submitted to live; nodes of which two projects tell different places are left out."""
        places: defaultdict[str, set[TargetKey]] = defaultdict(set)
        for project_id in await self._project_ids(organization, deferral):
            prefix = nodes_prefix(
                organization, deferral.target_name, project_id=project_id, project_name=deferral.project_name
            )
            for unique_id, entry in (await self._node_states.nodes(prefix, deferral.unique_ids)).items():
                if entry.relation is not None and entry.profile_name == deferral.profile_name:
                    places[unique_id].add(TargetKey(entry.namespace, entry.relation))
        return {unique_id: next(iter(told)) for unique_id, told in places.items() if len(told) == 1}

    async def _project_ids(self, organization: str, deferral: Deferral) -> tuple[str, ...]:
        """The project's id; where it is not told, every id that the name has, and none (the empty one)."""
        if deferral.project_id:
            return (deferral.project_id,)
        return ("", *await self._node_states.project_ids(organization, deferral.project_name))

    async def _built(self, organization: str, places: Collection[TargetKey]) -> set[TargetKey]:
        """Those of the targets that have a build on record."""
        by_namespace: defaultdict[str, set[Relation]] = defaultdict(set)
        for place in places:
            by_namespace[place.namespace].add(Relation(place.name))
        return {
            TargetKey(namespace, relation)
            for namespace, relations in by_namespace.items()
            for relation, history in (await self._ledger.histories(organization, namespace, relations)).items()
            if history.executions
        }
