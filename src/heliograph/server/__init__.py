"""Every listening socket, and what happens on it.

``websocket`` and ``tcp`` carry octets, ``stomp_connection`` turns verbs into calls of the broker, ``outlet``
and ``outbox`` turn deliveries into octets again.  ``lifecycle`` starts and stops it all.
"""
