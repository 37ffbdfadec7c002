"""What only the brokers know: how far readers are behind, and dead letters."""

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from dagboek.api.fields import Shown
from dagboek.installation import letters
from dagboek.installation.lag import KafkaAway, read_lag
from dagboek.installation.letters import Letter
from dagboek.web.caller import Caller, Operator
from dagboek.web.paging import Page, Paging, number
from dagboek.web.problems import answers, not_found
from dagboek.web.routes import api_router

router = api_router("operator")

Partition = Annotated[int, Path(ge=0, lt=2**31)]
Offset = Annotated[int, Path(ge=0, lt=2**63 - 1)]


class TopicShown(BaseModel):
    """A topic."""

    topic: str
    partitions: int
    written: int = Field(description="records that were ever written to it")


class GroupShown(BaseModel):
    """How far a group of readers is behind in a topic."""

    group: str
    topic: str
    behind: int
    partitions: int = Field(description="in which it is behind")
    ours: bool = Field(description="workers or planner, without whom nothing is booked")


class LagShown(BaseModel):
    """How far readers of the topics are behind."""

    answers: bool = Field(description="whether the brokers do")
    trouble: str = Field(description="what they or their client said, where they do not")
    topics: list[TopicShown]
    groups: list[GroupShown]
    in_line: int = Field(description="runs whose next window waits for room on the log")


class PublishedShown(Shown):
    """That a dead letter was published again."""

    by: str
    begun_at: datetime
    at: datetime | None = Field(description="when the brokers had it; null while they have not said so")


class LetterShown(Shown):
    """A record that was no event."""

    partition: int
    offset: int
    at: datetime | None
    reason: str
    topic: str = Field(description="where it came from")
    from_partition: str
    from_offset: str
    reference: str = Field(description="in the log of the process that set it aside")
    type: str
    size: int
    cut: bool = Field(description="too large to be kept whole; it cannot be published again")
    published: PublishedShown | None


class LetterWithContent(LetterShown):
    """A dead letter with what it held. What may say something of people is shown by its shape."""

    key: str
    headers: list[tuple[str, str]]
    body: str


@router.get("/lag")
async def lag(caller: Operator) -> LagShown:
    """How far workers, planner and other readers are behind; also where the brokers do not answer."""
    row = await caller.installation.one(
        "SELECT count(*) AS number FROM run WHERE state = 'active' AND window_no > admitted_no"
    )
    waits = row["number"] if row else 0
    services = caller.web.services
    try:
        found = await asyncio.to_thread(
            read_lag, services.kafka_bootstrap, caller.web.settings.topic_prefix, services.kafka_security
        )
    except KafkaAway as trouble:
        return LagShown(answers=False, trouble=str(trouble), topics=[], groups=[], in_line=waits)
    return LagShown(
        answers=True,
        trouble="",
        topics=[TopicShown(topic=one.topic, partitions=one.partitions, written=one.written) for one in found.topics],
        groups=[
            GroupShown(group=one.group, topic=one.topic, behind=one.behind, partitions=one.partitions, ours=one.ours)
            for one in found.groups
        ],
        in_line=waits,
    )


@router.get("/dead-letters")
async def dead_letters(caller: Operator, paged: Paging) -> Page[LetterShown]:
    """Records that were no event, newest first. 503 where the brokers do not answer."""
    after = paged.after(number, number)
    services = caller.web.services
    found = await asyncio.to_thread(
        letters.newest,
        services.kafka_bootstrap,
        caller.web.settings.topic_prefix,
        services.kafka_security,
        (after[0], after[1]) if after else None,
        paged.limit + 1,
    )
    marked = await letters.with_marks(caller.installation, found)
    return paged.page(marked, LetterShown.model_validate, lambda one: (one.partition, one.offset))


@router.get("/dead-letters/{partition}/{offset}")
async def dead_letter(caller: Operator, partition: Partition, offset: Offset) -> LetterWithContent:
    """One of them, with its content as far as it cannot say anything of people."""
    return _with_content(await _found(caller, partition, offset))


@router.post("/dead-letters/{partition}/{offset}/publish", responses=answers(409))
async def publish(caller: Operator, partition: Partition, offset: Offset) -> LetterShown:
    """Publish it again where it came from, once: 409 where that was done. What is no event yet comes back."""
    letter = await _found(caller, partition, offset)
    await letters.publish_again(caller.web.core, caller.web.publisher, letter, caller.who)
    await caller.note_apart(
        "dead_letter.publish", f"{partition}/{offset}", topic=letter.topic, reference=letter.reference
    )
    (marked,) = await letters.with_marks(caller.installation, [letter])
    return LetterShown.model_validate(marked)


async def _found(caller: Caller, partition: int, offset: int) -> Letter:
    services = caller.web.services
    found = await asyncio.to_thread(
        letters.at_place,
        services.kafka_bootstrap,
        caller.web.settings.topic_prefix,
        services.kafka_security,
        partition,
        offset,
    )
    if found is None:
        raise not_found("dead letter")
    (marked,) = await letters.with_marks(caller.installation, [found])
    return marked


def _with_content(one: Letter) -> LetterWithContent:
    return LetterWithContent(
        **LetterShown.model_validate(one).model_dump(),
        key=letters.key_shown(one),
        headers=letters.headers_shown(one),
        body=letters.body_shown(one),
    )
