"""The night of an installation, and each connection's moment in it."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Night:
    """When nightly runs start: between two times of the day, in a time zone; over midnight where `until` is earlier."""

    start: time
    until: time
    zone: ZoneInfo

    @classmethod
    def of(cls, hours: str, zone: str) -> Self:
        """From settings: hours such as `01:00-05:00`, and the name of a time zone. ValueError."""
        start, _, until = hours.partition("-")
        return cls(time.fromisoformat(start), time.fromisoformat(until), ZoneInfo(zone))

    def moment(self, connection_id: UUID, after: datetime) -> datetime:
        """When the connection's turn is in the first night that begins after `after`. UTC.

        The night is as long as it is: an hour less or more when the clocks change, and nobody's turn is left out.
        """
        day = after.astimezone(self.zone).date() - timedelta(days=1)
        while (begins := self._at(self.start, day)) <= after:
            day += timedelta(days=1)
        ends = self._at(self.until, day + timedelta(days=self.until <= self.start))
        length = max(timedelta(0), ends - begins)
        return begins + timedelta(seconds=int(length.total_seconds() * _share(connection_id)))

    def _at(self, moment: time, day: date) -> datetime:
        return datetime.combine(day, moment, self.zone).astimezone(UTC)


def _share(connection_id: UUID) -> float:
    """The connection's place in a night, from 0 to 1: the same every night."""
    return int.from_bytes(hashlib.sha256(connection_id.bytes).digest()[:8]) / 2**64
