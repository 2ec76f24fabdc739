#!/bin/sh
# Conntrack dumps that the kernel filters (CTA_FILTER, since Linux 5.8): an IPv6 address in the filter selects every entry but those
# that have it, and an SCTP port is not compared at all. IPv4 addresses, TCP and UDP ports are compared as asked for.
# A program that trusts the filter deletes the wrong flows, or none, so compare each entry once more.
#
# Needs root and python3; makes its entries in a network namespace of its own. Exits 1 if the kernel behaves otherwise.
# Seen on Linux 6.18.44:
#   IPv4 address: 1 of 2 entries, the one asked for
#   IPv6 address: 1 of 2 entries, the other one
#   UDP port:     1 of 2 entries, the one asked for
#   SCTP port:    2 of 2 entries
set -eu
echo "Linux $(uname -r)"
exec unshare -n python3 - <<'PYTHON'
import socket, struct, sys

NEW, DUMP = 0x100, 0x101  # IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_GET in the conntrack subsystem
ORIGINAL, REPLY, PROTOCOL_INFO, TIMEOUT, FILTER = 1, 2, 4, 7, 25
TO_ADDRESS, TO_PROTOCOL, TO_PORT = 1 << 1, 1 << 3, 1 << 5  # CTA_FILTER_FLAG: IP_DST, PROTO_NUM, PROTO_DST_PORT
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
netlink.bind((0, 0))


def attribute(kind, data, nested=False):
    padding = b"\0" * (-len(data) % 4)
    return struct.pack("=HH", len(data) + 4, kind | (0x8000 if nested else 0)) + data + padding


def nest(kind, *parts):
    return attribute(kind, b"".join(parts), True)


def addresses(family, source, destination):
    first = 1 if family == socket.AF_INET else 3
    parts = []
    for offset, address in enumerate((source, destination)):
        if address:
            parts.append(attribute(first + offset, socket.inet_pton(family, address)))
    return nest(1, *parts)


def transport(protocol, source=None, destination=None):
    parts = [attribute(1, bytes([protocol]))]
    for kind, port in ((2, source), (3, destination)):
        if port:
            parts.append(attribute(kind, struct.pack("!H", port)))
    return nest(2, *parts)


def ask(kind, flags, family, body):
    netlink.send(struct.pack("=IHHII", 20 + len(body), kind, flags | 1, 1, 0) + struct.pack("=BBH", family, 0, 0) + body)
    messages = []
    while True:
        data = netlink.recv(1 << 17)
        while data:
            length, kind_seen = struct.unpack_from("=IH", data)
            if kind_seen == 2:
                error = -struct.unpack_from("=i", data, 16)[0]
                if error:
                    raise OSError(error, "netlink")
                return messages
            if kind_seen == 3:
                return messages
            messages.append(data[20:length])
            data = data[(length + 3) & ~3:]


def make(family, protocol, client, server, port):
    state = nest(PROTOCOL_INFO, nest(3, attribute(1, b"\3"), attribute(2, struct.pack("!I", 1)), attribute(3, struct.pack("!I", 2)))) \
        if protocol == 132 else b""
    body = nest(ORIGINAL, addresses(family, client, server), transport(protocol, 4000, port)) \
        + nest(REPLY, addresses(family, server, client), transport(protocol, port, 4000)) \
        + attribute(TIMEOUT, struct.pack("!I", 600)) + state
    ask(NEW, 0x400 | 0x4, family, body)  # NLM_F_CREATE, NLM_F_ACK


def dump(family, protocol, address=None, port=None):
    flags = TO_PROTOCOL | (TO_ADDRESS if address else 0) | (TO_PORT if port else 0)
    tuple_parts = ([addresses(family, None, address)] if address else []) + [transport(protocol, None, port)]
    return ask(DUMP, 0x300, family, nest(ORIGINAL, *tuple_parts) + nest(FILTER, attribute(1, struct.pack("=I", flags))))


def report(what, entries, wanted):
    """One word on what a dump of two entries gave: none, wanted, other or both."""
    has_wanted, others = 0, 0
    for entry in entries:
        if wanted in entry:
            has_wanted += 1
        else:
            others += 1
    word = {(1, 0): "the one asked for", (0, 1): "the other one", (1, 1): "both", (0, 0): "none"}[has_wanted, others]
    print(f"{what}: {len(entries)} of 2 entries, {word}")
    return word


IPV4, IPV6 = socket.AF_INET, socket.AF_INET6
for number in (1, 2):
    make(IPV4, 17, "192.0.2.9", f"198.51.100.{number}", 5000 + number)
    make(IPV6, 17, "2001:db8::9", f"2001:db8:1::{number}", 5000 + number)
    make(IPV4, 132, "192.0.2.9", f"198.51.100.{number}", 6000 + number)
port_of = lambda port: struct.pack("!H", port)
seen = [
    report("IPv4 address", dump(IPV4, 17, address="198.51.100.1"), socket.inet_pton(IPV4, "198.51.100.1")),
    report("IPv6 address", dump(IPV6, 17, address="2001:db8:1::1"), socket.inet_pton(IPV6, "2001:db8:1::1")),
    report("UDP port", dump(IPV4, 17, port=5001), struct.pack("=HH", 6, 3) + port_of(5001)),
    report("SCTP port", dump(IPV4, 132, port=6001), struct.pack("=HH", 6, 3) + port_of(6001)),
]
expected = ["the one asked for", "the other one", "the one asked for", "both"]
if seen != expected:
    sys.exit("This kernel behaves otherwise: expected " + ", ".join(expected))
print("as described")
PYTHON
