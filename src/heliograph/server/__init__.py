"""Every listening socket, and what happens on it.

``websocket`` and ``tcp`` carry octets; ``stomp`` turns verbs into calls of the broker, and deliveries into octets
again; ``http`` is the API.  ``hub`` is what all connections share.  ``lifecycle`` starts and stops it all.
"""
