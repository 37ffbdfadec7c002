"""The night of a tenant, and each connection's moment in it."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOURS = r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d"
"""How hours are written."""


@dataclass(frozen=True, slots=True)
class Night:
    """When nightly runs start: between two times of the day, in a time zone; over midnight where `until` is earlier."""

    start: time
    until: time
    zone: ZoneInfo

    @classmethod
    def of(cls, hours: str, zone: str) -> Self:
        """From settings: hours such as `01:00-05:00`, and the name of a time zone. ValueError says what is wrong."""
        return cls(*times_of(hours), zone_of(zone))

    def changed(self, hours: str | None, zone: str | None) -> Self:
        """The night of a tenant: this one, but for what the tenant has chosen."""
        start, until = times_of(hours) if hours else (self.start, self.until)
        try:
            return type(self)(start, until, zone_of(zone) if zone else self.zone)
        except ValueError:  # chosen on a machine that knew it
            return type(self)(start, until, self.zone)

    @property
    def hours(self) -> str:
        """As they are written."""
        return f"{self.start:%H:%M}-{self.until:%H:%M}"

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


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name. ValueError says what is wrong."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("is no time zone that this machine knows; write it as Europe/Brussels or UTC") from None


def times_of(hours: str) -> tuple[time, time]:
    """From and until. ValueError says what is wrong."""
    if not re.fullmatch(HOURS, hours):
        raise ValueError("must be two times of the day, such as 01:00-05:00")
    start, until = hours.split("-")
    if start == until:
        raise ValueError("must end at another time than it begins, such as 01:00-05:00")
    return time.fromisoformat(start), time.fromisoformat(until)


def _share(connection_id: UUID) -> float:
    """The connection's place in a night, from 0 to 1: the same every night."""
    return int.from_bytes(hashlib.sha256(connection_id.bytes).digest()[:8]) / 2**64
