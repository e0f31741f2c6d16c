"""STOMP 1.0, 1.1 and 1.2 without I/O: bytes ⇄ frames ⇄ the state of a session.

``parser`` turns octets into frames, ``server_session`` frames into ``events``, ``serializer`` the
answers into octets.  Nothing here reads a clock, a socket or a file; time is passed in.
"""
