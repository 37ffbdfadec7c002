"""The web process: who asks, what they may, and how answers look. Console and API are built on it."""
