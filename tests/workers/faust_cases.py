"""Ways to use a Faust agent, each as a process of its own: `python faust_cases.py CASE BOOTSTRAP TOPIC`.

Prints the offset of every message whose work is done. The letters are those of docs/decisions on acks.
"""

import asyncio
import sys
from collections.abc import Callable
from tempfile import mkdtemp
from typing import Any

import faust
from dagboek.acks import Acks
from dagboek_workers.records import RecordApp

LONG = 600.0


def done(offset: int) -> None:
    print(offset, flush=True)


def make_app(bootstrap: str, group: str, **settings: Any) -> faust.App:
    return faust.App(group, **settings_of(bootstrap), **settings)


def settings_of(bootstrap: str) -> dict[str, Any]:
    return {
        "broker": f"kafka://{bootstrap}",
        "store": "memory://",
        "datadir": mkdtemp(prefix="faust-case-"),
        "web_enabled": False,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "stream_wait_empty": False,
        "broker_commit_interval": 0.5,
        "broker_session_timeout": 10,
        "broker_heartbeat_interval": 2,
        "consumer_auto_offset_reset": "earliest",
        "worker_redirect_stdouts": False,
    }


def raw(app: faust.App, name: str) -> Any:
    return app.topic(name, value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw")


def case_a(bootstrap: str, topic: str) -> faust.App:
    """Two actors, of which one is long at work on message 0."""
    app = make_app(bootstrap, topic)

    @app.agent(raw(app, topic), concurrency=2)
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            if event.message.offset == 0:
                await asyncio.sleep(LONG)
            done(event.message.offset)

    return app


def case_b(bootstrap: str, topic: str) -> faust.App:
    """A plain agent that fails at message 3."""
    app = make_app(bootstrap, topic, agent_supervisor="mode.OneForOneSupervisor")

    @app.agent(raw(app, topic))
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            if event.message.offset == 3:
                raise ValueError("message 3")
            done(event.message.offset)

    return app


def case_c(bootstrap: str, topic: str) -> faust.App:
    """As B, but acks are given by hand, and never for message 3."""
    app = make_app(bootstrap, topic, agent_supervisor="mode.OneForOneSupervisor")

    @app.agent(raw(app, topic))
    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            if event.message.offset == 3:
                raise ValueError("message 3")
            done(event.message.offset)
            event.ack()

    return app


def case_d(bootstrap: str, topic: str) -> faust.App:
    """As B, but the application stops with its agent."""
    app = make_app(bootstrap, topic, agent_supervisor="mode.CrashingSupervisor")

    @app.agent(raw(app, topic))
    async def agent(stream: Any) -> None:
        async for event in stream.events():
            if event.message.offset == 3:
                raise ValueError("message 3")
            done(event.message.offset)

    return app


def case_e(bootstrap: str, topic: str) -> faust.App:
    """The way of the product: records straight to the dispatcher, acks in order; message 2 is long at work."""
    return in_order(bootstrap, topic, long_at_work=2)


def case_holes(bootstrap: str, topic: str) -> faust.App:
    """As E, with nothing that is long at work, on a log with two offsets that are no messages behind each two."""
    return in_order(bootstrap, topic)


def in_order(bootstrap: str, topic: str, *, long_at_work: int | None = None) -> RecordApp:
    """Records to a dispatcher that works on all of them at once."""
    app = RecordApp(topic, **settings_of(bootstrap))
    tasks: set[asyncio.Task[None]] = set()
    acks: Acks[Any] = Acks(lambda message: message.ack(app.consumer))

    async def work(offset: int) -> None:
        if offset == long_at_work:
            await asyncio.sleep(LONG)
        done(offset)
        acks.finished(0, offset)

    def take(message: Any) -> None:
        acks.received(0, message.offset, message)
        tasks.add(asyncio.create_task(work(message.offset)))

    app.take = take
    app.topics.add(raw(app, topic))
    return app


def case_full(bootstrap: str, topic: str) -> faust.App:
    """Two agents on two topics; the first one waits, and its buffer is full."""
    app = make_app(bootstrap, topic, stream_buffer_maxsize=64)

    @app.agent(raw(app, f"{topic}-waits"))
    async def waits(stream: Any) -> None:
        async for _ in stream.events():
            await asyncio.sleep(LONG)

    @app.agent(raw(app, topic))
    async def other(stream: Any) -> None:
        async for event in stream.events():
            done(event.message.offset)

    return app


def case_never_waits(bootstrap: str, topic: str) -> faust.App:
    """As `full`, but what takes the first topic's messages keeps them and goes on."""
    app = RecordApp(topic, **settings_of(bootstrap))
    kept: list[Any] = []

    def take(message: Any) -> None:
        if message.topic == topic:
            done(message.offset)
            message.ack(app.consumer)
        else:
            kept.append(message)

    app.take = take
    app.topics.add(raw(app, f"{topic}-waits"))
    app.topics.add(raw(app, topic))
    return app


def case_shared(bootstrap: str, topic: str) -> faust.App:
    """One of several members of a group; tells the values of its messages."""
    app = RecordApp(topic, **settings_of(bootstrap))

    def take(message: Any) -> None:
        done(int(message.value))
        message.ack(app.consumer)

    app.take = take
    app.topics.add(raw(app, topic))
    return app


CASES: dict[str, Callable[[str, str], faust.App]] = {
    "a": case_a,
    "b": case_b,
    "c": case_c,
    "d": case_d,
    "e": case_e,
    "holes": case_holes,
    "full": case_full,
    "never_waits": case_never_waits,
    "shared": case_shared,
}


async def main(case: str, bootstrap: str, topic: str) -> None:
    app = CASES[case](bootstrap, topic)
    app.finalize()
    await app.start()
    while not app.should_stop:
        await asyncio.sleep(0.2)
    await app.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
