"""What older clients send, and the Rust client: read from the wire as they write it."""

from __future__ import annotations

from query_cache_protobuf.query_cache.services.clone_service_pb2 import CloneRequest
from query_cache_protobuf.query_cache.services.sql_service_pb2 import SubmitEnrichedSQLRequest
from tests.protocol.recordings import recorded_requests

from dbt_state_oss.application.caller import ClientLine
from dbt_state_oss.domain.submission import CloneTerms, Node, NodeHashes, TargetKey
from dbt_state_oss.protocol.clone import clone_order_of
from dbt_state_oss.protocol.from_proto import submission_of_query


def request_of_the_oldest_client() -> SubmitEnrichedSQLRequest:
    (request,) = recorded_requests("old_client_run-cache_2.17.1", "SQL/SubmitEnrichedSQL", SubmitEnrichedSQLRequest)
    return request  # fmt: skip


def string_field(number: int, text: str) -> bytes:
    """A protobuf field of wire type 2 (length-delimited), written by hand; short texts, numbers below 16."""
    data = text.encode()
    assert number < 16
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def test_lenient_dependencies_are_read_from_field_12() -> None:
    wire = (
        string_field(2, "postgres")
        + string_field(12, '"shop"."prod"."orders"')
        + string_field(1, '"shop"."dev"."totals"')
        + string_field(12, "shop.prod.Countries")
    )
    submission = submission_of_query(SubmitEnrichedSQLRequest.FromString(wire))
    assert submission.deferred == ('"shop"."prod"."orders"', '"shop"."prod"."countries"')


def test_other_unknown_fields_are_no_dependencies() -> None:
    wire = string_field(1, '"shop"."dev"."totals"') + string_field(9, '"shop"."prod"."x"') + b"\x60\x01"
    assert submission_of_query(SubmitEnrichedSQLRequest.FromString(wire)).deferred == ()


def test_without_a_node_state_the_labels_tell_the_node_and_it_is_not_tracked() -> None:
    node = submission_of_query(request_of_the_oldest_client()).node
    assert node == Node(
        unique_id="model.shop.order_totals", name="order_totals", resource_type="model", project_name="shop"
    )
    assert node.hashes == NodeHashes()


def test_an_absent_namespace_is_a_bucket_of_its_own() -> None:
    assert submission_of_query(request_of_the_oldest_client()).key == TargetKey("", '"shop"."prod"."order_totals"')


def test_a_client_that_cannot_say_allows_clones_and_does_not_tell_where_it_builds() -> None:
    terms = submission_of_query(request_of_the_oldest_client()).clone_terms
    assert terms == CloneTerms(
        allowed=True, time_travel_limit_seconds=0, into_defer_target=None, defer_enabled=None
    )  # fmt: skip


def test_an_absent_default_schema_is_the_dialects_own() -> None:
    request = request_of_the_oldest_client()
    assert not request.HasField("default_schema")
    submission = submission_of_query(request)
    assert getattr(submission.code, "default_schema", None) == "public"
    request.dialect = "bigquery"
    assert getattr(submission_of_query(request).code, "default_schema", None) == ""


def test_only_dbt_v2_may_stamp_what_it_confirms() -> None:
    request = request_of_the_oldest_client()
    assert submission_of_query(request, ClientLine.RUST).client_stamps
    assert not submission_of_query(request, ClientLine.PYTHON).client_stamps
    assert not submission_of_query(request, None).client_stamps
    order = CloneRequest(target_table="a", clone_source_table="b", dialect="bigquery")
    assert [clone_order_of(order, line).client_stamps for line in (ClientLine.RUST, None)] == [True, False]
