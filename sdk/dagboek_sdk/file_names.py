"""Names of files as somebody else wrote them, made harmless."""

import re

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""Also what does not show or turns the direction of writing: `x<U+202E>fdp.exe` would be seen as `xexe.pdf`."""
_LONGEST = 150


def harmless(written: str | None) -> str:
    """The last part of a name, without what may lead out of a folder or mislead a reader; empty if nothing is left."""
    last = (written or "").replace("\\", "/").rpartition("/")[2]
    return _UNSAFE.sub("_", " ".join(last.split())).strip(". ")[-_LONGEST:]
