"""The core process: planner, admission, settling, attaching, polling, audit, sweeper, watchdog, webhooks, schedule,
mail."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import structlog
from confluent_kafka import KafkaException

from dagboek.accepted import Poller
from dagboek.admission import Admission
from dagboek.attaching import Attacher
from dagboek.audit.auditor import Auditor
from dagboek.cli.running import web_address
from dagboek.commands import CommandReader
from dagboek.database import AWAY, Database, DatabaseUnavailable
from dagboek.embedded import Services
from dagboek.keep_alive import keep_alive
from dagboek.night import Night
from dagboek.notices.sender import sender_for
from dagboek.notices.smtp import Smtp
from dagboek.planner import Planner
from dagboek.plugins import Plugins, unexpected
from dagboek.publisher import Publisher
from dagboek.replay import Replay
from dagboek.retention import drop_old
from dagboek.schedule import request_due
from dagboek.servers import all_answer, servers, watched
from dagboek.settings import Settings
from dagboek.settle import Settler
from dagboek.stamp import alive
from dagboek.sweeper import deliver_items, deliver_run_events, write_events
from dagboek.vault import Vault, vault_for
from dagboek.watchdog import Watchdog
from dagboek.webhooks import deliveries
from dagboek.webhooks.addresses import Allowed
from dagboek.webhooks.deliverer import Deliverer

log = structlog.get_logger()

THREADS = 64


class ServiceAddresses(Protocol):
    """Where broker and database are."""

    @property
    def kafka_bootstrap(self) -> str:
        """Bootstrap servers."""

    @property
    def database_url(self) -> str:
        """Address of the database."""


class CoreService:
    """All jobs of the core, each in a loop of its own: one that fails is tried again, the others go on."""

    def __init__(
        self, settings: Settings, services: ServiceAddresses, plugins: Plugins | None = None, vault: Vault | None = None
    ) -> None:
        self._settings = settings
        self._services = services
        self._plugins = plugins or Plugins()
        self._vault = vault or vault_for(settings)

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set."""
        # a file system that hangs keeps its threads for good, and a loop has only a few of its own
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "core"))
        settings, services = self._settings, self._services
        security = settings.kafka_security
        night = Night.of(settings.nightly, settings.time_zone)
        publisher = Publisher(services.kafka_bootstrap, settings.topic_prefix, security)
        async with Database(services.database_url, size=20) as db:
            planner = Planner(db, self._plugins, publisher, partitions=settings.partitions)
            admission = Admission(db, planner)
            watchdog = Watchdog(db, planner, services.kafka_bootstrap, settings.topic_prefix, security)
            reader = CommandReader(services.kafka_bootstrap, settings.topic_prefix, planner, publisher, security)
            settler = Settler(db, self._plugins, self._vault)
            attacher = Attacher(db, self._plugins, self._vault)
            poller = Poller(db, self._plugins, self._vault)
            auditor = Auditor(db, self._plugins, self._vault)
            sender = sender_for(
                db, Smtp.of(settings), self._plugins.tool_title, lambda: web_address(settings), settings.time_zone
            )
            deliverer = Deliverer(db, self._vault, Allowed.of(settings.webhook_networks))
            replay = Replay(db, services.kafka_bootstrap, settings.topic_prefix, security)
            reader.start()
            jobs: list[tuple[str, float, Callable[[], Awaitable[Any]]]] = [
                ("admit", 0.25, admission.admit_waiting),
                ("resume", 0.5, watchdog.resume_parked),
                ("cancel", 0.5, watchdog.finish_cancelled),
                ("replan", 5, watchdog.plan_forgotten),
                ("lost", 5, watchdog.find_lost),
                ("settle", 1, settler.settle_due),
                ("attach", 1, attacher.attach_due),
                ("accepted", 10, poller.poll_due),
                ("audit", 1, auditor.audit_due),
                ("events", 0.5, lambda: write_events(db)),
                ("items", 1, lambda: deliver_items(db, publisher)),
                ("ends", 0.25, lambda: deliver_run_events(db, publisher)),
                ("webhooks", 0.5, deliverer.step),
                ("schedule", 1, lambda: request_due(db, publisher, night)),
                ("mail", 1, sender.send_waiting),
                ("replay", 0.5, replay.step),
                ("alive", 10, lambda: alive(db)),
                ("keep_alive", 3600, lambda: keep_alive(db, self._plugins, self._vault)),
                ("retention", 3600, lambda: drop_old(db)),
                ("webhook_log", 3600, lambda: deliveries.drop_old(db)),
            ]
            tasks = [asyncio.create_task(_every(name, seconds, job, stop)) for name, seconds, job in jobs]
            log.info("core.started")
            await stop.wait()
            await reader.stop()
            await asyncio.wait(tasks, timeout=10)
            for task in tasks:
                task.cancel()
            await deliverer.close()
            admission.close()
            watchdog.close()
            replay.close()
        await asyncio.to_thread(publisher.close)
        log.info("core.stopped")


async def serve(settings: Settings, services: Services, stop: asyncio.Event) -> None:
    """Runs the core until `stop` is set, once broker and database answer.

    KafkaException, at once, for security properties that cannot be used.
    """
    needed = servers(services.kafka_bootstrap, services.kafka_security, services.database_url)
    core = CoreService(settings, services)
    while await all_answer(needed, stop):
        async with watched(needed, stop):
            try:
                await core.run(stop)
                break
            except DatabaseUnavailable as gone:
                # It answered a moment ago. One that dies just now is waited for like one that is not there yet.
                log.warning("core.not_started", error=str(gone))


async def _every(name: str, seconds: float, job: Callable[[], Awaitable[Any]], stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await job()
        except (*AWAY, KafkaException) as trouble:
            log.warning("job.waits", job=name, error=type(trouble).__name__)
            await asyncio.sleep(1)
        except Exception as bug:
            issue = unexpected(f"job {name}", bug)  # its message may quote a document
            log.error("job.failed", job=name, reference=issue.facts["reference"])
            await asyncio.sleep(1)
        try:
            await asyncio.wait_for(stop.wait(), timeout=seconds)
        except TimeoutError:
            continue
