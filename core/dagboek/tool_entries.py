"""What a tool held before we came: read in bulk on the first run, compared before anything is booked.

It is read again after the database was put back to an earlier time: then what stands there may be our own.

Books may hold a hundred thousand entries: a document is compared with those alone that share its reference, or its
day and amount.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from dagboek_sdk.attempt import Booking, Candidate

from dagboek.database import Database
from dagboek.matching import plain_reference


async def store(db: Database, administration_id: UUID, entries: Sequence[Candidate]) -> None:
    """Stores all entries of the books, as they are now; from then on documents may be booked."""
    async with db.transaction() as connection:
        async with connection.cursor() as cursor:
            await cursor.executemany(
                """INSERT INTO tool_entry (administration_id, entry_id, number, reference, texts, marks, journal,
                                           party_id, day, gross, currency, url)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                   ON CONFLICT (administration_id, entry_id) DO UPDATE
                       SET number = excluded.number, reference = excluded.reference, texts = excluded.texts,
                           marks = excluded.marks, journal = excluded.journal, party_id = excluded.party_id,
                           day = excluded.day, gross = excluded.gross, currency = excluded.currency,
                           url = excluded.url""",
                [
                    (
                        administration_id,
                        entry.entry_id,
                        entry.number,
                        entry.reference,
                        list(entry.texts),
                        [plain_reference(text) for text in (entry.reference, *entry.texts) if text],
                        entry.journal,
                        entry.party_id,
                        entry.day,
                        entry.gross,
                        entry.currency,
                        entry.url,
                    )
                    for entry in entries
                ],
            )
        await connection.execute("UPDATE administration SET looked_up_at = now() WHERE id = %s", (administration_id,))


async def like(db: Database, administration_id: UUID, booking: Booking) -> list[Candidate]:
    """Entries that may be what `booking` means: with its reference, or of its day and amount, or of unknown ones."""
    rows = await db.all(
        """SELECT * FROM tool_entry WHERE administration_id = %(administration)s AND marks && %(marks)s::text[]
           UNION
           SELECT * FROM tool_entry WHERE administration_id = %(administration)s
             AND (day IS NULL OR day = %(day)s OR %(day)s::date IS NULL)
             AND (gross IS NULL OR gross = %(gross)s OR %(gross)s::numeric IS NULL)""",
        {
            "administration": administration_id,
            "marks": [plain_reference(booking.reference)] if booking.reference else [],
            "day": booking.day,
            "gross": booking.gross,
        },
    )
    return [_candidate(row) for row in rows]


def _candidate(row: Mapping[str, Any]) -> Candidate:
    names = ("entry_id", "number", "reference", "journal", "party_id", "day", "gross", "currency", "url")
    return Candidate(**{name: row[name] for name in names}, texts=tuple(row["texts"]))
