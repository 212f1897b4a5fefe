"""Resolves deferred relations: returns the relations, in the defer target, of nodes that a run reads but does not build.

The client reads from the returned names without a check. For a node that is left out, it uses the name that dbt's naming
macros give. So only recorded names are returned, and only if the last recorded build of the table is a build of that node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from dbt_state_oss.application.caller import Caller
from dbt_state_oss.application.codec import NodeEntry
from dbt_state_oss.application.keys import nodes_prefix
from dbt_state_oss.application.ledger import Ledger
from dbt_state_oss.application.node_states import NodeStates
from dbt_state_oss.domain.history import History
from dbt_state_oss.domain.relation import Relation
from dbt_state_oss.domain.submission import TargetKey


@dataclass(frozen=True, slots=True)
class Deferral:
    """One request. `target_name` is the defer target. A project without an id has an empty `project_id`."""

    project_id: str
    project_name: str
    profile_name: str
    target_name: str
    unique_ids: Collection[str]


class ResolveDeferred:
    """Resolves deferrals from the node states and the ledger."""

    def __init__(self, *, node_states: NodeStates, ledger: Ledger) -> None:
        self._node_states = node_states
        self._ledger = ledger

    async def __call__(self, caller: Caller, deferral: Deferral) -> dict[str, Relation]:
        """Return the relations of the recorded nodes, by unique id. Raises `StoreError`."""
        targets = {
            unique_id: TargetKey(entry.namespace, entry.relation)
            for unique_id, entry in (await self._nodes(caller.organization, deferral)).items()
            if entry.relation is not None and entry.profile_name == deferral.profile_name
        }
        histories = await self._histories(caller.organization, set(targets.values()))
        return {
            unique_id: Relation(place.name)
            for unique_id, place in targets.items()
            if _was_built_by(unique_id, histories[place])
        }

    async def _nodes(self, organization: str, deferral: Deferral) -> Mapping[str, NodeEntry]:
        """Return the nodes' states. If the request has no project id, only one project may have the name."""
        if deferral.project_id:
            return await self._node_states.nodes(_prefix(organization, deferral), deferral.unique_ids)
        nodes = await self._nodes_of_only_project(organization, deferral)
        return {unique_id: nodes[unique_id] for unique_id in nodes.keys() & set(deferral.unique_ids)}

    async def _nodes_of_only_project(self, organization: str, deferral: Deferral) -> Mapping[str, NodeEntry]:
        """Return all nodes of the only project with this name, with or without an id.

        Returns none if several projects of this name have nodes in the dbt target and profile.
        """
        only: Mapping[str, NodeEntry] = {}
        for project_id in ("", *await self._node_states.project_ids(organization, deferral.project_name)):
            nodes = await self._node_states.all_nodes(_prefix(organization, replace(deferral, project_id=project_id)))
            if any(entry.profile_name == deferral.profile_name for entry in nodes.values()):
                if only:
                    return {}
                only = nodes
        return only

    async def _histories(self, organization: str, targets: Collection[TargetKey]) -> dict[TargetKey, History]:
        by_namespace: defaultdict[str, set[Relation]] = defaultdict(set)
        for place in targets:
            by_namespace[place.namespace].add(Relation(place.name))
        return {
            TargetKey(namespace, relation): history
            for namespace, relations in by_namespace.items()
            for relation, history in (await self._ledger.histories(organization, namespace, relations)).items()
        }


def _prefix(organization: str, deferral: Deferral) -> str:
    return nodes_prefix(
        organization, deferral.target_name, project_id=deferral.project_id, project_name=deferral.project_name
    )


def _was_built_by(unique_id: str, history: History) -> bool:
    """Return whether the table holds a build of this node. Another node may have used the same name."""
    return history.latest is not None and history.latest.node_id == unique_id
