"""Lists the words that are more than a name to some warehouse. An AS before such a word, or quotes around it, may change what
a text means.

There is one list for all warehouses. A word too many costs a build; a missing word may cost a wrong table. The keywords are
those of PostgreSQL 18 (`pg_get_keywords()`, checked by a test), of Spark 3.5 (`sql_keywords()`), and of the references of
Snowflake, BigQuery and Redshift. All words are lower case.
"""

from __future__ import annotations

AWAIT_AN_EXPRESSION = frozenset(
    """
    all and any between by case distinct else except exclude from having in into is join lateral like limit not offset on only
    or order over partition qualify select some table then top union using values when where with
    """.split()
)
"""Words after which an AS cannot separate an expression from its alias."""

LONGEST_ABBREVIATION = 2
"""Letters. After a literal, a word of at most this length may be the abbreviation of a unit (`interval '5' d`)."""

_UNITS = """
    centuries century day dayofmonth dayofweek dayofweek_iso dayofweekiso dayofyear dayofyear_iso days dd
    decade decades dow doy dw dy epoch epoch_microsecond epoch_millisecond epoch_nanosecond epoch_second hh hour
    hours hr hrs isodow isoweek isoyear mi microsec microsecond microseconds microsecs mil millennia millennium
    millisecond milliseconds min mins minute minutes mm mon mons month months ms msec msecond mseconds msecs nanosec
    nanosecond nanoseconds ns nsec nsecond nseconds nsecs qq qtr qtrs quarter quarters sec second seconds secs ss
    timezone timezone_h timezone_hour timezone_m timezone_minute tz us usec usecond useconds usecs week week_iso
    weekday weekday_iso weekiso weekofyear weekofyeariso weeks wk woy ww wy year yearofweek yearofweekiso years yr
    yrs yy yyy yyyy
    """

_KEYWORDS = """
    abort absent absolute access action add admin after aggregate all also alter always analyse analyze and ansi
    anti any any_value archive array as asc asensitive asof assert_rows_modified assertion assignment asymmetric at
    atomic attach attribute authorization backward before begin between bigint binary bit boolean both breadth bucket
    buckets by byte cache call called cascade cascaded case cast catalog catalogs chain change changes char
    character characteristics check checkpoint class clear close cluster clustered coalesce codegen collate
    collation collection column columns comment comments commit committed compact compactions compression compute
    concatenate concurrently conditional configuration conflict connect connection constraint constraints content
    continue conversion copy cost create cross csv cube current current_catalog current_date current_role
    current_schema current_time current_timestamp current_user cursor cycle data database databases date date_add
    date_diff dateadd datediff dbproperties deallocate dec decimal declare default defaults deferrable deferred
    define defined definer delete delimited delimiter delimiters depends depth desc describe detach dfs dictionary
    directories directory disable discard distinct distribute div do document domain double drop each else empty
    enable encoding encrypted end enforced enum error escape escaped event except exchange exclude excluding
    exclusive execute exists explain export expression extended extension external extract false family fetch fields
    fileformat filter finalize first float following for force foreign format formatted forward freeze from full
    function functions generated global grant granted greatest group grouping groups handler having header hold
    identifier identity if iff ignore ilike image immediate immutable implicit import in include including increment
    indent index indexes inherit inherits initially inline inner inout inpath input inputformat insensitive insert
    instead int integer intersect interval into invoker is isnull isolation items join json json_array json_arrayagg
    json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value keep key keys
    kill label lambda language large last lateral lazy leading leakproof least left level like limit lines list
    listen load local localtime localtimestamp location lock locked locks logged logical long macro map mapping
    match match_condition match_recognize matched materialized maxvalue merge merge_action method minus minvalue
    mode model move msck name names namespace namespaces national natural nchar nested new next nfc nfd nfkc nfkd no
    none normalize normalized not nothing notify notnull nowait null nullif nulls numeric object objects of off
    offset oids old omit on only operator option options or order ordinality others out outer outputformat over
    overlaps overlay overriding overwrite owned owner parallel parameter parser partial partition partitioned
    partitions passing password path percent percentile_cont percentile_disc period pivot placing plan plans policy
    position preceding precision prepare prepared preserve primary principals prior privileges procedural procedure
    procedures program properties proto publication purge qualify query quote quotes range read real reassign
    recordreader recordwriter recover recursive reduce ref references referencing refresh regexp reindex relative
    release rename repair repeatable replace replica reset respect restart restrict return returning returns revoke
    right rlike role roles rollback rollup routine routines row rows rule safe safe_cast sample savepoint scalar
    schema schemas scroll search security select semi separated sequence sequences serde serdeproperties
    serializable series_default server session session_user set setof sets share short show signed similar simple
    skewed skip smallint snapshot some sort sorted source sql stable stage standalone start statement statistics
    stdin stdout storage stored stratify strict string strip struct subscription substr substring support symmetric
    sync sysid system system_time system_user system_version table tables tablesample tablespace tabular target
    tblproperties temp template temporary terminated text then ties time timestamp timestamp_ltz timestamp_ntz
    timestampadd timestampdiff tinyint to top touch trailing transaction transactions transform treat trigger trim
    true truncate trusted try_cast type typeof types uescape unarchive unbounded uncache uncommitted unconditional
    unencrypted union unique unknown unlisten unlock unlogged unnest unpivot unset unsigned until update use user
    using vacuum valid validate validator value values varchar variadic varying verbose version view views virtual
    void volatile when where whitespace window with within without work wrapper write xml xmlattributes xmlconcat
    xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable yes zerofill zone
    """

GRAMMAR_WORDS = frozenset(f"{_UNITS} {_KEYWORDS}".split())
"""Keywords, units of time, and words that continue a type or a clause."""
