"""Who ``directory.toml`` knows."""

from typing import NamedTuple


class Login(NamedTuple):
    login: str
    passcode: str


SYSTEM = Login("acme", "producer-secret")
PARTNER_7 = Login("ops@northwind.example", "correct horse battery")
PARTNER_9 = Login("desk@contoso.example", "paper: clip\\staple")
SERVICE = Login("guest", "guest")
