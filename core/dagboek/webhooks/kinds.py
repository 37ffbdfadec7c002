"""Which events a webhook may be told."""

from typing import Final

from dagboek_schemas.events import OUTCOME_TYPES, ComponentFinished, PaymentChanged, RunFinished
from dagboek_schemas.statuses import ItemKind

TEST: Final = "dagboek.webhook.test.v1"
"""Sent at a person's wish alone, to see whether it arrives."""

TYPES: Final = (
    RunFinished.TYPE,
    ComponentFinished.TYPE,
    *(type_ for type_, (kind, _) in OUTCOME_TYPES.items() if kind is ItemKind.DOCUMENT),
    PaymentChanged.TYPE,
    *(type_ for type_, (kind, _) in OUTCOME_TYPES.items() if kind is ItemKind.PARTY),
)
"""To choose from: the results of the public contract, but for lists that were read."""
