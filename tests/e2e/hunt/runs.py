"""Random dbt commands."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.e2e.hunt.arena import DEVELOPMENT, PRODUCTION
from tests.e2e.hunt.project import Kind, Project


@dataclass(frozen=True, slots=True)
class Command:
    """A dbt command in one of the targets."""

    target: str
    arguments: tuple[str, ...]
    full_refresh: bool = False
    variable: int | None = None
    """The variable's value for this run alone."""

    @property
    def said(self) -> str:
        return f"dbt {' '.join(self.arguments)} --target {self.target}"


WHOLE = Command(PRODUCTION, ("build",))
MENDING = Command(PRODUCTION, ("build", "--exclude-resource-type", "test"))
"""Builds every node: no test that fails can keep one from it."""


def random_command(random: Random, project: Project) -> Command:
    """Whole builds mostly, in production mostly."""
    target = DEVELOPMENT if random.random() < 0.25 else PRODUCTION
    (verb,) = random.choices(("build", "run", "test", "seed", "snapshot"), (30, 3, 1, 1, 1))
    selection = _selection(random, project, verb) if verb != "seed" and random.random() < 0.35 else ()
    full_refresh = verb in ("build", "run") and random.random() < 0.06
    variable = random.randint(0, 3) if verb in ("build", "run") and random.random() < 0.07 else None
    options = (
        *(("--full-refresh",) if full_refresh else ()),
        *(("--vars", f"{{offset: {variable}}}") if variable is not None else ()),
    )
    return Command(target, (verb, *selection, *options), full_refresh, variable)


def _selection(random: Random, project: Project, verb: str) -> tuple[str, ...]:
    built = [name for name, node in project.nodes.items() if node.kind not in (Kind.VIEW, Kind.EPHEMERAL)]
    name = random.choice(built)
    match random.choice(("only", "only", "and parents", "and children", "two", "all but")):
        case "only":
            words, chosen = [name], {name}
        case "and parents":
            words, chosen = [f"+{name}"], project.ancestors({name})
        case "and children":
            words, chosen = [f"{name}+"], project.descendants({name})
        case "two":
            words = [name, random.choice(built)]
            chosen = set(words)
        case _:
            return ("--exclude", name)
    if verb == "test":
        return ("-s", *words)
    return ("-s", *words, *sorted(views_on(project, chosen) - chosen))


def views_on(project: Project, names: set[str]) -> set[str]:
    """The views that read these nodes, directly or through views and ephemeral models.

    dbt drops them with a table or view that it builds anew, so a selection without them leaves holes that only a node which is
    not built leaves not.
    """
    found = set(names)
    for node in project.nodes.values():
        if node.kind in (Kind.VIEW, Kind.EPHEMERAL) and found.intersection(node.parents):
            found.add(node.name)
    return {name for name in found if project.nodes[name].kind is Kind.VIEW}
