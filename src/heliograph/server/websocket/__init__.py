"""WebSockets: accepted, their handshakes read, then one link for each."""
