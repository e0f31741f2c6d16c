"""STOMP sessions: every verb of a client becomes calls of the broker, and every answer octets."""
