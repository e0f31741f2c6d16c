"""Publish, subscribe, settle: who may do it, whether a body is right, and who still owes an acknowledgement.

Knows principals, destinations and engines; neither STOMP nor HTTP.
"""
