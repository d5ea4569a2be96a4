"""Addresses that messages can be sent to, and the sender of messages.

Fewer than RFC 5322 §3.4.1 allows: programs on the way to the mailbox differ in how they read an
address that needs quotes.
"""

import re

_ATOM = r"[^\W_]|[_!#$%&'*+/=?^`{|}~-]"
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
_ADDRESS = rf"(?=.{{1,64}}@)(?:{_ATOM})+(?:\.(?:{_ATOM})+)*@(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*"
_LONGEST = 254
_SENDER = re.compile(r"(?P<name>[^<>\"\\]{1,100}) <(?P<address>[^<>\s]+)>")


def can_receive_mail(address: str) -> bool:
    """Whether messages can be sent to the address (RFC 5321 §4.1.2, RFC 6531 §3.3)."""
    return (
        address.isprintable()
        and len(address.encode()) <= _LONGEST
        and re.fullmatch(_ADDRESS, address) is not None
    )


def read_sender(text: str) -> tuple[str, str]:
    """Name and address of `Name <address>` or of an address alone; `ValueError` otherwise."""
    found = _SENDER.fullmatch(text)
    name, address = (found["name"].strip(), found["address"]) if found else ("", text)
    if not can_receive_mail(address) or not name.isprintable():
        raise ValueError("must be an address, or a name and an address: Issuer <id@example.com>")
    return name, address
