"""Which addresses belong to the public internet (IANA's special-purpose registries)."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# Python's `is_global` depends on its version, and tunnels reach what is behind their end.
_NEVER = [
    ip_network(text)
    for text in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2001::/23",
        "2002::/16",
        "64:ff9b:1::/48",
        "100:0:0:1::/64",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
]
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether the address is of a host on the internet, not of a network of this machine."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        ip = _ipv4_within(ip) or ip
    return (
        ip.is_global
        and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
        and not any(ip in network for network in _NEVER if network.version == ip.version)
    )


def _ipv4_within(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that is reached by this one, if any (RFC 4291 §2.5.5.2, RFC 6052 §2.1)."""
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped
