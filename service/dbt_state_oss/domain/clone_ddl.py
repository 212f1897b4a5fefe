"""The SQL that copies a table (rule C6). It is pure text, which the client runs unchanged on the node's connection."""

from __future__ import annotations

from itertools import count

from dbt_state_oss.domain.dialects import Dialect
from dbt_state_oss.domain.dialects.copying import Copying
from dbt_state_oss.domain.dialects.spelling import parts_of_name
from dbt_state_oss.domain.relation import Epoch, Relation


def clone_statements(
    dialect: Dialect,
    source: Relation,
    target: Relation,
    *,
    table_type: str | None = None,
    hours_to_expiration: int | None = None,
    partition_expiration_days: int | None = None,
    epoch: Epoch | None = None,
    past: bool = False,
    made_by_its_load: bool = False,
) -> tuple[str, ...] | None:
    """Statements that make `target` a copy of `source`, to be run in order; None if that is impossible.

    They replace a table with the target's name; the client has dropped a view of that name before. `table_type` is the source's
    type as the client names it, None for an ordinary table. The expirations matter only on BigQuery.

    `epoch` is the epoch that the source must have, if the warehouse can check it. With `past`, it is the moment whose content
    is copied, which most warehouses cannot do. `made_by_its_load` copies only a table that was created by the transaction that
    wrote its rows, if the warehouse can check it.
    """
    copying = dialect.copying
    source_name, target_name = sql_name(dialect, source), sql_name(dialect, target)
    kind = (table_type or "TABLE").upper()
    if copying is None or source_name is None or target_name is None or source == target:
        return None
    if kind not in copying.table_types or not (copying.across_databases or _share_database(source, target)):
        return None
    templates = _templates(copying, epoch=epoch, past=past, made_by_its_load=made_by_its_load)
    options = _options(hours_to_expiration, partition_expiration_days)
    return templates and tuple(
        template.format(
            source=source_name,
            source_text=_literal(source_name),
            target=target_name,
            target_text=_literal(target_name),
            tag=_dollar_quote(source_name + target_name),
            table_type=kind,
            options=options,
            epoch=epoch,
        )
        for template in templates
    )


def _templates(copying: Copying, *, epoch: Epoch | None, past: bool, made_by_its_load: bool) -> tuple[str, ...] | None:
    if past:
        return copying.past
    if epoch is None:
        return copying.statements
    loaded = copying.verified_load if made_by_its_load else None
    return loaded or copying.verified or copying.statements


def _dollar_quote(text: str) -> str:
    """A dollar quote that does not occur in `text`."""
    return next(tag for number in count() if (tag := f"$clone{number}$") not in text)


def _literal(text: str) -> str:
    """A text literal of standard SQL."""
    return "'" + text.replace("'", "''") + "'"


def sql_name(dialect: Dialect, relation: Relation) -> str | None:
    """The relation as its warehouse writes it, with every part quoted; None if its name has not two or three parts.

    The inverse of `Dialect.relation`: no character of a name ends its quotes.
    """
    parts = _parts(relation)
    if dialect.dotted_quoted_names and len(parts) > 3:
        # A project may itself have dots.
        parts = [".".join(parts[:-2]), *parts[-2:]]
    return ".".join(_quoted(dialect, part) for part in parts) if len(parts) in (2, 3) else None


def _quoted(dialect: Dialect, part: str) -> str:
    quote = dialect.identifier_quotes[0]
    if dialect.backslash_escapes_names:
        escaped = part.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    else:
        escaped = part.replace(quote, quote * 2)
    return f"{quote}{escaped}{quote}"


def _parts(relation: Relation) -> list[str]:
    return [part.text for part in parts_of_name(relation, quotes='"', skipped_part=None) or ()]


def _share_database(source: Relation, target: Relation) -> bool:
    return _parts(source)[0] == _parts(target)[0]


def _options(hours_to_expiration: int | None, partition_expiration_days: int | None) -> str:
    """BigQuery's clause of table options, with a space before it; empty if nothing expires."""
    options = []
    if hours_to_expiration:
        moment = f"TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {hours_to_expiration:d} HOUR)"
        options.append(f"expiration_timestamp = {moment}")
    if partition_expiration_days:
        options.append(f"partition_expiration_days = {partition_expiration_days:d}")
    return f" OPTIONS ({', '.join(options)})" if options else ""
