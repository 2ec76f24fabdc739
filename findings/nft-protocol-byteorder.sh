#!/bin/sh
# nft 1.0.6 (Debian 12) turns the one byte of `meta l4proto` around before it looks into a set of concatenations with intervals, which
# does nothing; a set without intervals gets no such step, and `ct protocol` in the same place neither. Linux 7.2 and Debian's 6.12.117
# refuse the step: a conversion of one byte is EOPNOTSUPP, "Operation not supported". Linux 6.1.176 and 6.18.44 take it. nft 1.1.3 and
# 1.1.7 emit none.
# So a ruleset that has to load everywhere says `ct protocol` there, in rules for packets that conntrack knows.
#
# Needs root; loads in network namespaces of its own. Exits 1 if nft has no such step, or the kernel an opinion of its own.
# Seen with nft 1.0.6 on Linux 6.18.44:
#   meta l4proto, intervals:   1 conversion, loads
#   meta l4proto, no interval: 0 conversions, loads
#   ct protocol, intervals:    0 conversions, loads
# On Linux 7.2.13 and 6.12.117 the first line ends with "does not load".
set -u
echo "$(nft --version), Linux $(uname -r)"
try() { # try NAME FLAGS ELEMENT SELECTOR
    rules="table ip t {
        set s { typeof ip daddr . meta l4proto . th dport . ip saddr; $2; elements = { $3 }; }
        chain c { type filter hook prerouting priority -110; ct state new ip daddr . $4 . th dport . ip saddr @s drop; }
    }"
    steps=$(echo "$rules" | unshare -n nft --check --debug=netlink -f - 2>&1 | grep -c byteorder)
    if echo "$rules" | unshare -n nft -f - 2>/dev/null; then loads=loads; else loads="does not load"; fi
    result="$steps, $loads"
    printf '%-26s %s conversion(s), %s\n' "$1:" "$steps" "$loads"
}
case $(uname -r) in 6.12.117*) expected="1, does not load" ;; [1-6].* | 7.[01].*) expected="1, loads" ;; *) expected="1, does not load" ;; esac
status=0
range="10.0.0.1 . tcp . 80 . 192.0.2.0/24"
try "meta l4proto, intervals" "flags interval" "$range" "meta l4proto"
[ "$result" = "$expected" ] || status=1
try "meta l4proto, no interval" "size 8" "10.0.0.1 . tcp . 80 . 192.0.2.1" "meta l4proto"
[ "$result" = "0, loads" ] || status=1
try "ct protocol, intervals" "flags interval" "$range" "ct protocol"
[ "$result" = "0, loads" ] || status=1
exit "$status"
