"""Records that are no event, kept for operators: what came, why it is none, and where from."""

from collections.abc import Iterable
from uuid import uuid4

from dagboek_schemas.cloudevents import Headers, Record

BODY = 256 * 1024
"""Bytes of a body that are kept; the whole must be smaller than any record may be, whatever came."""
KEY = 1024
HEADERS = 64 * 1024
WORDS = 500

_OURS = "dagboek_"


def dead_letter(
    value: bytes | None,
    *,
    key: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    why: str,
    topic: str,
    partition: int,
    offset: int,
) -> Record:
    """What is written to the dead letters for a record that came from `topic`.

    Its body is cut after `BODY` bytes; `dagboek_cut` then says how many there were. Headers that are too many are left
    out, and so are those of an earlier dead letter, which was published again and is none the better for it.
    """
    body = value or b""
    kept: Headers = [
        ("dagboek_reason", why[:WORDS].encode()),
        ("dagboek_topic", topic.encode()),
        ("dagboek_partition", str(partition).encode()),
        ("dagboek_offset", str(offset).encode()),
        ("dagboek_reference", uuid4().hex[:8].encode()),
    ]
    if len(body) > BODY:
        kept.append(("dagboek_cut", str(len(body)).encode()))
    return Record((key or b"")[:KEY], body[:BODY], [*_foreign(headers), *kept])


def _foreign(headers: Iterable[tuple[str, bytes | None]]) -> Headers:
    kept: Headers = []
    room = HEADERS
    for name, value in headers:
        room -= len(name) + len(value or b"")
        if room < 0:
            break
        if not name.startswith(_OURS):
            kept.append((name, value or b""))
    return kept
