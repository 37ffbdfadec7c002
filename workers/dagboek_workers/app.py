"""The Faust application: it hands records to the dispatcher; and what surrounds it."""

import asyncio
import contextlib
import gc
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from tempfile import mkdtemp
from typing import Any

import faust
import structlog
import uvloop
from aiokafka.errors import KafkaError
from dagboek.database import DatabaseUnavailable
from dagboek.plugins import Plugins, unexpected
from dagboek.publisher import Publisher
from dagboek.servers import all_answer, servers, watched
from dagboek.slots import Slot
from dagboek.vault import Vault
from dagboek_schemas.topics import Topic

from dagboek_workers.blocked import Watch, end_blocked, show_life
from dagboek_workers.dispatcher import HOLD, Dispatcher
from dagboek_workers.records import RecordApp
from dagboek_workers.security import credentials_of
from dagboek_workers.tool_loop import CALLS, TENANT_CALLS, Parts

log = structlog.get_logger()

REVOKE_SECONDS = 20.0
"""How long calls in flight are waited for when partitions go elsewhere."""
UNJOINED_SECONDS = 1.5
"""How long the end of a worker may take that has no place in the group yet."""
SLOT_LOST = 2
"""Exit status of a worker whose slot another one was started with."""
SLOT_LOOK = 1.0
"""Seconds for the question whether it was that, when the consumer has crashed."""
SLOT_DRAIN = 5.0
"""Seconds that its calls in flight are given, before it takes its place in the group back from the other."""
RESTART_PAUSE = 1.0
"""Seconds before a worker tries anew whose servers went away while it started."""
METADATA_SECONDS = 20
"""After which a topic is found again that was deleted under the worker and made anew; the client's own are 300."""


@dataclass(frozen=True)
class WorkerOptions:
    """What a worker is started with."""

    bootstrap: str
    database_url: str = field(repr=False)
    topic_prefix: str = "dagboek"
    slot: str = "1"
    """Static member of the group: keeps its partitions over a quick restart."""
    partitions: int = 48
    calls: int = CALLS
    """Items of one tool that are in work at the same time."""
    tenant_calls: int = TENANT_CALLS
    """Of them, those of one tenant."""
    hold: float = HOLD
    """Seconds that one item may keep the offset of its partition where it is."""
    session_timeout: float = 10.0
    commit_interval: float = 1.0
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    """librdkafka properties for TLS and SASL."""

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"{self.topic_prefix}.workers"

    @property
    def member(self) -> str:
        """What the group knows this worker by."""
        return f"{self.group}-{self.slot}"


def make_app(options: WorkerOptions, plugins: Plugins, vault: Vault) -> tuple[faust.App, Dispatcher]:
    """The application of one worker, and its dispatcher. Made inside the loop that they run on.

    SettingsError for a security property that cannot be used.
    """
    app = RecordApp(
        options.group,
        broker=f"kafka://{options.bootstrap.replace(',', ';kafka://')}",
        broker_credentials=credentials_of(options.security),
        store="memory://",
        datadir=mkdtemp(prefix="dagboek-worker-"),
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        broker_commit_interval=options.commit_interval,
        broker_session_timeout=options.session_timeout,
        broker_heartbeat_interval=options.session_timeout / 5,
        broker_rebalance_timeout=max(options.session_timeout + 2, REVOKE_SECONDS + 10),
        broker_max_poll_records=2000,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=METADATA_SECONDS * 1000,
        consumer_group_instance_id=options.member,
        worker_redirect_stdouts=False,
    )
    publisher = Publisher(options.bootstrap, options.topic_prefix, options.security)
    parts = Parts(options.database_url, plugins, vault, publisher, options.slot, options.calls, options.tenant_calls)
    name = Topic.DOCUMENTS.named(options.topic_prefix)
    topic = app.topic(name, value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw")

    dispatcher = Dispatcher(parts, lambda message: message.ack(app.consumer))

    def take(message: Any) -> None:
        try:
            dispatcher.take(message, message, name)
        except Exception as bug:
            unexpected("dispatcher", bug)
            os._exit(70)  # not acked: the log brings it again

    app.take = take
    app.topics.add(topic)

    @app.on_partitions_revoked.connect()
    async def revoked(*_: Any, **__: Any) -> None:
        await dispatcher.revoke(REVOKE_SECONDS)

    @app.on_before_shutdown.connect()
    async def stopping(*_: Any, **__: Any) -> None:
        await dispatcher.revoke(REVOKE_SECONDS)
        await dispatcher.stop(REVOKE_SECONDS)
        publisher.close()

    @app.task  # type: ignore[untyped-decorator]
    async def watch_loops() -> None:
        watch = Watch()
        while not app.should_stop:
            await asyncio.sleep(1)  # and no timer, which makes up for turns that it missed
            if blocked := watch.look(dispatcher.tools.values()):
                await end_blocked(dispatcher, blocked, options.database_url)

    @app.timer(1.0)  # type: ignore[untyped-decorator]
    async def let_go() -> None:
        dispatcher.let_go_held(options.hold)

    return app, dispatcher


async def serve(options: WorkerOptions, plugins: Plugins, vault: Vault, stop: asyncio.Event) -> None:
    """Runs a worker on this loop until `stop` is set, once broker and database answer.

    SettingsError and KafkaException, at once, for security properties that cannot be used.
    """
    credentials_of(options.security)
    needed = servers(options.bootstrap, options.security, options.database_url)
    slot = Slot(options.database_url, options.member)
    while await all_answer(needed, stop):
        async with watched(needed, stop):
            try:
                await slot.take()
                await _work(options, plugins, vault, stop, slot)
                break
            except (DatabaseUnavailable, KafkaError) as gone:
                if isinstance(gone, KafkaError) and not gone.retriable:
                    raise
                # They answered a moment ago. One that dies just now is waited for like one that is not there yet.
                log.warning("worker.not_started", error=str(gone))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RESTART_PAUSE)


async def _work(options: WorkerOptions, plugins: Plugins, vault: Vault, stop: asyncio.Event, slot: Slot) -> None:
    app, dispatcher = make_app(options, plugins, vault)
    app.finalize()
    starting = asyncio.create_task(app.start())
    stopping = asyncio.create_task(stop.wait())
    replaced = asyncio.create_task(_end_replaced(slot, options, dispatcher))
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            shutil.rmtree(app.conf.datadir, ignore_errors=True)  # Faust starts with one, and keeps nothing in it
            log.info("worker.started", slot=options.slot)
            await _until(stopping, app, slot, replaced)
    finally:
        in_group = starting.done()
        starting.cancel()
        stopping.cancel()
        replaced.cancel()
        # One that waits for a place in the group would wait on for a session or two, and holds nothing.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stop(), None if in_group else UNJOINED_SECONDS)
        if stop.is_set():
            await slot.end()
        log.info("worker.stopped", slot=options.slot)
        if not in_group:
            shutil.rmtree(app.conf.datadir, ignore_errors=True)
            os._exit(0)  # what waits for the group does not end when it is cancelled, and nothing of it is lost


async def _end_replaced(slot: Slot, options: WorkerOptions, dispatcher: Dispatcher) -> None:
    """Ends the process when another one has taken its slot: to the broker both are the same member of the group."""
    await slot.lost()
    log.error(
        "worker.slot_taken",
        slot=options.slot,
        meaning=f"Another worker was started with --slot {options.slot} and works in this one's place. "
        "Give each worker a slot of its own, on all machines together: --slot 1, --slot 2, ...",
    )
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(dispatcher.drain((), SLOT_DRAIN), SLOT_DRAIN)
    os._exit(SLOT_LOST)  # in order would take longer, and the consumer would ask for its place again meanwhile


async def _until(stopping: "asyncio.Task[bool]", app: faust.App, slot: Slot, replaced: "asyncio.Task[None]") -> None:
    """Until it is to stop. An application that has crashed consumes nothing more and would hold its place for ever."""
    while not (await asyncio.wait((stopping,), timeout=1))[0]:
        if app.crashed:
            # The broker puts out whose slot another has taken. That ends by itself, with its own status: whoever
            # starts what has crashed anew would take the slot back.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(slot.lost(), SLOT_LOOK)
                await asyncio.wait((replaced,))
            log.error("worker.crashed", error=type(app.crash_reason).__name__)
            os._exit(70)  # what is not acked comes again, to whoever starts in its place


def run_worker(options: WorkerOptions, plugins: Plugins, vault: Vault) -> None:
    """Runs a worker until TERM or INT."""

    async def main() -> None:
        stop = asyncio.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        living = asyncio.create_task(show_life())
        await serve(options, plugins, vault, stop)
        living.cancel()

    # Faust makes loops of its own in its threads: the policy makes all of them quick
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    gc.set_threshold(50_000, 20, 50)  # most objects live as long as one document
    asyncio.run(main())
