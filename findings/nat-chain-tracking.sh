#!/usr/bin/env bash
# A base chain of type nat does not make a network namespace track connections as long as it has no rule, although the kernel's nat needs
# tracking; one rule that reads a state does, also in a chain that no packet comes to. So a node "with nat chains, but without rules" is no
# measure of what nat costs: it tracks nothing.
#
# Needs root, and the programs nft and ip; works in network namespaces of its own. Exits 1 if a line differs.
# Seen with nft 1.0.6 on Linux 6.18.44, entries after one datagram to 127.0.0.1:
#   no rules:                           0
#   two nat base chains without a rule: 0
#   a state in a chain nobody jumps to: 1
set -u
echo "$(nft --version), Linux $(uname -r)"
try() { # try NAME EXPECTED RULESET
    count=$(unshare -n bash -c '
        ip link set lo up
        if [ -n "$1" ]; then echo "$1" | nft -f - || exit 1; fi
        echo >/dev/udp/127.0.0.1/9 || exit 1
        cat /proc/sys/net/netfilter/nf_conntrack_count' bash "$3")
    printf '%-36s %s\n' "$1:" "$count"
    [ "$count" = "$2" ] || status=1
}
status=0
try "no rules" 0 ""
try "two nat base chains without a rule" 0 "table ip t {
    chain a { type nat hook output priority -100; }
    chain b { type nat hook postrouting priority 100; }
}"
try "a state in a chain nobody jumps to" 1 "table ip t {
    chain a { type nat hook output priority -100; }
    chain b { ct state new accept; }
}"
exit "$status"
