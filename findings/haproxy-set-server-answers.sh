#!/usr/bin/env bash
# HAProxy words the answer to a `set server … addr … port …` that changes nothing differently from version to version, and since
# 3.0 says nothing of the part that did not change. Whoever reads these answers has to go by `show servers state` instead.
#
# Seen, on Debian packages of October 2026:
#   2.6.12-1+deb12u3 (bookworm)   no need to change the addr, no need to change the port by 'stats socket command'
#   3.0.11-1+deb13u4 (trixie)     nothing changed
#   3.2.26-1 (sid)                nothing changed
# A second one: `add server` followed by a `show servers state` shows srv_admin_state 1, the same as a server that an operator has
# put in maintenance by hand; only commands in one line ("add server …; set server … state ready") leave no such state behind.
#
# Takes the packages of bookworm and trixie from this machine's own mirror of Debian, unpacks them in a temporary folder and runs
# them there, on a Unix socket only. Needs apt (Debian), python3 and the network; no root. Exits 1 if the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg

unpack() { # unpack SUITE
    local d=$work/$1
    mkdir -p "$d"/{lists,cache/archives}/partial "$d"/{debs,root,preferences}
    echo "deb [signed-by=$keys] $mirror $1 main" >"$d/sources.list"
    local apt=(-o "Dir::Etc::sourcelist=$d/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::Etc::preferencesparts=$d/preferences"
        -o "Dir::State::Lists=$d/lists" -o "Dir::Cache=$d/cache" -o Dir::State::status=/dev/null
        -o APT::Sandbox::User="$(id -un)")
    apt-get "${apt[@]}" update -qq
    local parts
    parts=$(apt-cache "${apt[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances haproxy | grep -E '^(lib|zlib)' | sort -u)
    # shellcheck disable=SC2086 # a list of words
    (cd "$d/debs" && apt-get "${apt[@]}" download -qq haproxy $parts)
    for package in "$d"/debs/*.deb; do dpkg -x "$package" "$d/root"; done
}

ask() { # ask COMMAND
    python3 - "$work/socket" "$1" <<'P'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
print(b"".join(iter(lambda: s.recv(65536), b"")).decode().strip())
P
}

failed=0
expect() { # expect WHAT EXPECTED FOUND
    echo "  $1: $3"
    [ "$2" = "$3" ] || { echo "  expected: $2" >&2; failed=1; }
}

cat >"$work/haproxy.cfg" <<C
global
    stats socket $work/socket mode 600 level admin
defaults
    mode tcp
    timeout connect 2s
    timeout client 1m
    timeout server 1m
backend web
    balance roundrobin
    server node1 192.0.2.1:30080
C

for suite in bookworm trixie; do
    unpack "$suite"
    root=$work/$suite/root
    # Where /lib is no link yet (bookworm), the C library is there and others are below /usr.
    loader=$(find "$root"/lib "$root"/usr/lib -name 'ld-linux*.so.*' -type f 2>/dev/null | head -n 1 || true)
    path=$(find "$root"/lib "$root"/usr/lib -maxdepth 2 -name '*.so.*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd: || true)
    run=("$loader" --library-path "$path" "$root/usr/sbin/haproxy")
    echo "$suite: $("${run[@]}" -v | head -n 1)"
    "${run[@]}" -db -f "$work/haproxy.cfg" >"$work/log" 2>&1 &
    pid=$!
    for _ in $(seq 100); do [ -S "$work/socket" ] && break; sleep 0.1; done
    if [ "$suite" = bookworm ]; then
        nothing="no need to change the addr, no need to change the port by 'stats socket command'"
    else
        nothing="nothing changed"
    fi
    expect "set server, the same again" "$nothing" "$(ask 'set server web/node1 addr 192.0.2.1 port 30080')"
    expect "add server" "New server registered." "$(ask 'add server web/node2 192.0.2.2:30080')"
    state() { ask "show servers state web" | awk '$4 == "'"$1"'" { print $7 }'; }
    ask "set server web/node1 state maint" >/dev/null
    expect "srv_admin_state of a server that was just added, and of one in maintenance by hand" "1 1" "$(state node2) $(state node1)"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
    rm -f "$work/socket"
done
exit "$failed"
