"""The stream workers: consuming, lanes, acks, the push loop. All of Faust is behind this package."""
