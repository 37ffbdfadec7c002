"""Whether a Kafka broker and a PostgreSQL server really answer."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dagboek.embedded.errors import EmbeddedError


def wait_for_kafka(
    bootstrap: str,
    *,
    security: Mapping[str, str] | None = None,
    seconds: float,
    alive: Callable[[], bool] = lambda: True,
) -> str | None:
    """Waits until the brokers answer a metadata request. Returns None, or what was wrong in the end.

    Stops early when `alive` says that the server's process has gone.
    """
    reasons: list[str] = []
    deadline = time.monotonic() + seconds
    settings: dict[str, Any] = {
        **(security or {}),
        "bootstrap.servers": bootstrap,
        "log_level": 0,
        "error_cb": lambda error: reasons.append(error.str()),
        "socket.connection.setup.timeout.ms": 2_000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 250,
    }
    try:
        admin = AdminClient(settings)
    except KafkaException as error:  # a property that librdkafka does not know
        return str(error.args[0].str())
    while True:
        try:
            admin.list_topics(timeout=max(0.2, min(1.0, deadline - time.monotonic())))
        except KafkaException as error:
            reasons.append(error.args[0].str())
        else:
            return None
        admin.poll(0)
        if time.monotonic() >= deadline or not alive():
            # The general "all brokers are down" says less than the cause that came with it.
            telling = [reason for reason in reasons if "refused" in reason or "SASL" in reason or "SSL" in reason]
            return (telling or reasons)[-1]


def require_kafka(bootstrap: str, *, security: Mapping[str, str] | None = None, seconds: float) -> None:
    """Raises `EmbeddedError` when the brokers do not answer within `seconds`."""
    fault = wait_for_kafka(bootstrap, security=security, seconds=seconds)
    if fault is not None:
        raise EmbeddedError(
            f"Kafka at {bootstrap} does not answer: {fault}. Check DAGBOEK_KAFKA_BOOTSTRAP and "
            "DAGBOEK_KAFKA_SECURITY, or unset them to use the embedded broker."
        )


def wait_for_postgres(url: str, *, seconds: float, alive: Callable[[], bool] = lambda: True) -> str | None:
    """Waits until `SELECT 1` answers. Returns None, or what was wrong in the end (never the address)."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with psycopg.connect(url, connect_timeout=max(2, int(deadline - time.monotonic()))) as connection:
                connection.execute("SELECT 1")
            return None
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
        if time.monotonic() >= deadline or not alive():
            return reason
        time.sleep(0.05)
