"""Webhooks: events of the public contract, sent to addresses that a tenant's admin has registered.

Signed after the Standard Webhooks specification (https://www.standardwebhooks.com). `outbox` takes what happened with
the transaction that it happened in, `spreading` makes deliveries of it for who wants it, `deliverer` sends them.
"""
