"""Who exists: systems, message types switched on, partners, accounts, cameras, grants, credentials.

In the order of a start-up:

    ``file``         ``read_directory_file(path)``: the operator's TOML, checked entry by entry
    ``build``        ``build_directory(file, limits)``: everything checked against everything else
    ``own_types``    an operator's event types and message types; ``schema_shape`` and ``schema_cost`` for their bodies
    ``store``        ``DirectoryStore``: kept in a database, to which a file is applied
    ``directory``    ``Directory``: the snapshot that comes of it (``Exchange``, ``Account``)
    ``principal``    ``Partner``, ``System``, ``Service``: who somebody is after login, and the rights
    ``hashed``       ``HashedSecrets``, ``OperatorTokens``: what passwords and tokens are compared with
    ``credentials``  ``Authenticator``: login and password to ``Principal``
    ``toml``         ``toml_text``: the way back, for an export

A password lives in a ``Secret`` from the file to its hash, and nowhere after that.
"""
