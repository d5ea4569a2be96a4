"""The network of an address, by which requests are counted."""

import ipaddress
from functools import lru_cache

UNKNOWN = "unknown"
_IPV6_PREFIX = 64
_SITE_PREFIXES = {4: 24, 6: 48}
_MAX_ADDRESS = 64


def network_of(address: str | None) -> str:
    """The IPv4 address, or the /64 of an IPv6 one, the least that a site has; else `UNKNOWN`."""
    if address is None or len(address) > _MAX_ADDRESS:
        return UNKNOWN
    return _network_of(address)


@lru_cache(4096)
def _network_of(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), _IPV6_PREFIX), strict=False))


@lru_cache(4096)
def site_of(address: str) -> str:
    """The /24 of an IPv4 address, or the /48 that one customer often has; else `UNKNOWN`."""
    if (network := network_of(address)) == UNKNOWN:
        return UNKNOWN
    ip = ipaddress.ip_network(network)
    return str(ip.supernet(new_prefix=_SITE_PREFIXES[ip.version]))
