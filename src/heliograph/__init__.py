"""heliograph: a message broker for camera events, over STOMP on WebSockets."""

__version__ = "0.1.0"
