"""Notices: what people are told of by bell and e-mail (docs/guides/notifications.md).

A notice is a row, written with what it tells of. Whatever is mailed waits in the outbox until a core has sent it.
"""
