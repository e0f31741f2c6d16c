"""The directory in a database: SQLite in the data directory, or PostgreSQL that several nodes share.

    ``tables``       what is stored, with SQLAlchemy Core
    ``database``     opening one of the two, transactions, and how their faults are told
    ``migrations``   how the tables came to be; run at start
    ``entities``     a directory file as flat entities, which can be compared
    ``diff``         ``Change`` and ``Diff``: what applying a file does
    ``passwords``    what applying a file does to credentials
    ``reading``      tables to ``DirectoryFile`` and hashes
    ``writing``      a ``Diff`` into the tables
    ``credentials``  making, rotating and revoking credentials
    ``audit``        who changed what, when
    ``store``        ``DirectoryStore``, the one door to all of these
    ``watcher``      ``Watcher``: notices that somebody has changed it

Everything but ``watcher`` blocks; call it from a thread.
"""
