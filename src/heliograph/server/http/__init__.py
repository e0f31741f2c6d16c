"""The HTTP API, on its own port and on the server's event loop.

``listener``     uvicorn: sockets, heads of requests, an orderly end
``app``          every resource in one Litestar application
``api``          ``Api``: what all resources share
``callers``      who asks: operators by bearer token, systems and partners by Basic
``problem``      every error as RFC 9457 has it
``ingest``       POST of events, faces and users
``batch``        the outcome of each item of a batch
``lines``        NDJSON, cut into lines
``bodies``       JSON bodies as they are described, to the letter
``shapes``       what is sent and answered for the directory
``edits``        changes of the directory file that requests ask for
``answers``      what their handlers share
``conditions``   ETag, If-Match and If-None-Match
``entries``      lists and entries of what is stored
``page``         lists in pages, by ``Link``
``history`` ``stream``   events of the past, and those that come
``event_stream``         one reader of a stream, as the broker sees it
``filters`` ``told``     which events are asked for, and how one is told
``exchanges``    what each exchange holds
``systems`` ``partners`` ``accounts`` ``services`` ``operators`` ``message_types`` ``credentials`` ``audit``
``event_types``  the operator's own
``connections``  live ones: list and close
``subscriptions`` ``subscription_ids``  live and durable ones: list, show and delete
``dead_letters`` of durable subscriptions: read, replay, purge
``explain``      why a pattern matches or not, and who would see it
``description``  /openapi.json, and /docs made of it
"""
