"""Kinds of fields that several resources take."""

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field


def _written(given: Any) -> Any:
    """A number would be taken for seconds since 1970."""
    if isinstance(given, str) and not re.match(r"\d{4}-\d{2}-\d{2}", given):
        raise ValueError("write it as 2026-12-31")
    if not isinstance(given, str | date):
        raise ValueError("write it as a text, such as 2026-12-31")
    return given


def _storable(given: datetime) -> datetime:
    if not 1970 < given.year < 9999:
        raise ValueError("is too far away")
    return given


class Shown(BaseModel):
    """What the core has found, as it is shown: `model_validate` reads the fields of that by their names."""

    model_config = ConfigDict(from_attributes=True)


Day = Annotated[date, BeforeValidator(_written)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_storable)]

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*\S[^\x00]*$")]
"""What people name things."""
