"""Who exists: systems, message types switched on, partners, accounts, cameras, grants, credentials.

In the order of a start-up:

    ``file``         ``read_directory_file(path)``: the operator's TOML, checked entry by entry
    ``build``        ``build_directory(file, limits)``: everything checked against everything else
    ``directory``    ``Directory``: the snapshot that comes of it (``Exchange``, ``Account``)
    ``principal``    ``Partner``, ``System``, ``Service``: who somebody is after login, and the rights
    ``credentials``  ``hash_all`` and ``Authenticator``: login and password to ``Principal``

A password lives in a ``Secret`` from the file to its hash, and nowhere after that.
"""
