"""Destinations, routing keys and patterns, and whether they match.  Pure: no clock, socket or file.

* ``destination``: ``/exchange/{exchange}/{key}`` and its two parts
* ``words``: a routing key or a pattern as a tuple of words
* ``matcher``: one pattern against one key, and why it matches or not
* ``trie``: one key against all patterns at once
"""
