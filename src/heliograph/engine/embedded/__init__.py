"""The engine inside the process: exchanges in memory, one thread, synchronous calls from publish to backlog."""
