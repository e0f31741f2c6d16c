"""Recordings that ship with the package; read them with ``importlib.resources``.

``site.jsonl``: 164 events of three cameras in time order, one JSON object a line: ``atMs`` (when, in ms from
the start of the recording), ``routingKey``, ``event`` (an event_full_v24 body).  The detections were made from
real video, misses and doubles included.
"""
