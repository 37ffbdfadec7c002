"""Webhooks over the API: who may, what is told once, and what is sent to a real server."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from core.test_webhooks import Receiver, receiving
from dagboek.web.rights import Right, Role
from dagboek.webhooks.addresses import Allowed
from dagboek.webhooks.deliverer import Deliverer
from standardwebhooks import Webhook as Verifier
from web.conftest import Site

ENDED, SKIPPED = "dagboek.run.finished.v1", "dagboek.document.skipped.v1"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def headers(site: Site) -> dict[str, str]:
    return await site.person(site.north, Role.ADMIN)


async def registered(http: aiohttp.ClientSession, headers: dict[str, str], address: str) -> dict[str, Any]:
    given = {"address": address, "types": [ENDED], "description": "Our shop"}
    async with http.post("/api/v1/webhooks", json=given, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        assert answer.headers["Cache-Control"] == "no-store"
        made: dict[str, Any] = await answer.json()
        return made


async def told(http: aiohttp.ClientSession, headers: dict[str, str], path: str, method: str = "get") -> Any:
    async with http.request(method, f"/api/v1/webhooks/{path}", headers=headers) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def delivered(site: Site) -> None:
    deliverer = Deliverer(site.db, site.web.vault, Allowed.of(site.web.settings.webhook_networks))
    await deliverer.step()
    await deliverer.idle()
    await deliverer.close()


async def test_a_webhook_from_its_registration_to_its_end(
    site: Site, http: aiohttp.ClientSession, headers: dict[str, str], receiver: Receiver
) -> None:
    made = await registered(http, headers, receiver.address)
    path = made["id"]
    shown = await told(http, headers, path)
    assert shown == {name: value for name, value in made.items() if name != "secret"}

    sent = await told(http, headers, f"{path}/test", "post")
    await delivered(site)
    given, body = receiver.got[0]
    assert Verifier(made["secret"]).verify(body, given)["type"] == "dagboek.webhook.test.v1"
    one = await told(http, headers, f"{path}/deliveries/{sent['delivery_id']}")
    assert (one["state"], one["status"], one["event_id"]) == ("delivered", 200, given["webhook-id"])
    assert [row["answer"] for row in one["tries"]] == ["thanks"]
    assert one["body"] == json.loads(body)

    again = await told(http, headers, f"{path}/deliveries/{sent['delivery_id']}/send-again", "post")
    await delivered(site)
    assert again == sent
    assert receiver.ids == [given["webhook-id"]] * 2
    assert len((await told(http, headers, f"{path}/deliveries?state=delivered"))["items"]) == 1

    new = await told(http, headers, f"{path}/secret", "post")
    assert new["secret"] != made["secret"]
    assert (await told(http, headers, path))["old_secret_until"] == new["old_secret_until"] is not None

    assert (await told(http, headers, f"{path}/pause", "post"))["state"] == "paused"
    assert (await told(http, headers, f"{path}/resume", "post"))["state"] == "on"
    async with http.delete(f"/api/v1/webhooks/{path}", headers=headers) as answer:
        assert answer.status == 204
    async with http.get(f"/api/v1/webhooks/{path}", headers=headers) as answer:
        assert answer.status == 404
    rows = await site.db.all("SELECT action, details::text FROM trail WHERE subject = %s ORDER BY id", path)
    assert [row["action"].removeprefix("webhook.") for row in rows] == [
        "add", "test", "send_again", "rotate", "pause", "resume", "delete",
    ]  # fmt: skip
    assert "whsec_" not in str(rows)


async def test_two_who_change_it_at_once_do_not_undo_each_other(
    http: aiohttp.ClientSession, headers: dict[str, str], receiver: Receiver
) -> None:
    path = f"/api/v1/webhooks/{(await registered(http, headers, receiver.address))['id']}"
    async with http.get(path, headers=headers) as answer:
        tag = answer.headers["ETag"]
    async with http.get(path, headers={**headers, "If-None-Match": tag}) as answer:
        assert answer.status == 304
    given = {"address": receiver.address, "types": [SKIPPED], "description": ""}
    for match, status in ((None, 428), (tag, 200), (tag, 412)):
        more = {"If-Match": match} if match else {}
        async with http.put(path, json=given, headers={**headers, **more}) as answer:
            assert answer.status == status
    async with http.get(path, headers=headers) as answer:
        assert (await answer.json())["types"] == [SKIPPED]


async def test_a_secret_is_told_once(http: aiohttp.ClientSession, headers: dict[str, str], receiver: Receiver) -> None:
    given = {"address": receiver.address, "types": [ENDED]}
    once = {**headers, "Idempotency-Key": "make my webhook"}
    async with http.post("/api/v1/webhooks", json=given, headers=once) as answer:
        assert answer.status == 201
    async with http.post("/api/v1/webhooks", json=given, headers=once) as answer:
        assert answer.status == 409
        assert (await answer.json())["code"] == "not_kept"
    async with http.get("/api/v1/webhooks", headers=headers) as answer:
        assert "whsec_" not in await answer.text()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"address": "https://10.0.0.1/", "types": [ENDED]}, "webhook_private"),
        ({"address": "http://8.8.8.8/", "types": [ENDED]}, "webhook_https"),
        ({"address": "https://name.invalid/", "types": [ENDED]}, "webhook_unknown_host"),
        ({"address": "nowhere", "types": [ENDED]}, "webhook_address"),
        ({"address": "https://8.8.8.8/", "types": ["dagboek.sync.start.v1"]}, "invalid"),
        ({"address": "https://8.8.8.8/", "types": []}, "invalid"),
    ],
)
async def test_what_cannot_be_used_is_refused(
    http: aiohttp.ClientSession, headers: dict[str, str], given: dict[str, Any], code: str
) -> None:
    async with http.post("/api/v1/webhooks", json=given, headers=headers) as answer:
        assert answer.status == 422
        assert (await answer.json())["code"] == code


async def test_webhooks_are_an_admins_and_a_tenant_has_so_many(
    site: Site, http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    given = {"address": receiver.address, "types": [ENDED]}
    for refused in (
        await site.person(site.south, Role.BOOKKEEPER),
        await site.key(site.south, Right.READ, Right.CONNECT),
    ):
        async with http.post("/api/v1/webhooks", json=given, headers=refused) as answer:
            assert answer.status == 403
        async with http.get("/api/v1/webhooks", headers=refused) as answer:
            assert answer.status == 403
    key = await site.key(site.south, Right.MANAGE)
    statuses = []
    for _ in range(20):
        async with http.post("/api/v1/webhooks", json=given, headers=key) as answer:
            statuses.append(answer.status)
    assert statuses == [201] * 19 + [409], "there was one already"


async def test_one_that_is_off_is_resumed_before_anything_is_sent_again(
    site: Site, http: aiohttp.ClientSession, headers: dict[str, str], receiver: Receiver
) -> None:
    receiver.status = 410
    path = (await registered(http, headers, receiver.address))["id"]
    sent = await told(http, headers, f"{path}/test", "post")
    await delivered(site)
    shown = await told(http, headers, path)
    assert (shown["state"], shown["off_reason"]) == ("off", "gone")
    again = f"/api/v1/webhooks/{path}/deliveries/{sent['delivery_id']}/send-again"
    async with http.post(again, headers=headers) as answer:
        assert answer.status == 409
        assert (await answer.json())["code"] == "webhook_off"
    assert (await told(http, headers, f"{path}/resume", "post"))["off_reason"] is None
    receiver.status = 200
    await told(http, headers, f"{path}/deliveries/{sent['delivery_id']}/send-again", "post")
    await delivered(site)
    assert (await told(http, headers, f"{path}/deliveries/{sent['delivery_id']}"))["state"] == "delivered"
