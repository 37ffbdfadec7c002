"""What the embedded services raise."""


class EmbeddedError(Exception):
    """A service that does not start or answer; the text says what failed and what to do instead."""


class DataDirInUseError(EmbeddedError):
    """Another process has its embedded services on the same data directory."""
