"""Engines: where events are kept, routed and queued.  ``interface`` is all that the broker knows of one."""
