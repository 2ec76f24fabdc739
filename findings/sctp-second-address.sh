#!/usr/bin/env bash
# SCTP through a translated address, one end of which has two addresses: the ends tell each other their addresses inside of chunks, which
# nobody translates. Each tries the other there, past the translation. If ports differ, whoever gets that finds no association, answers
# with an ABORT that reflects the tag, and the association that worked is gone.
# Needs root and a kernel with SCTP, in a machine where it may be loaded: Scripts/kernels --run 6.12 findings/sctp-second-address.sh
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
if [ "${1-}" != inside ]; then
    modprobe -q sctp || true
    exec unshare -nm --propagation private "$0" inside
fi
uname -r
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
for name in client server; do
    ip netns add "$name"
    ip link add "$name" type veth peer name eth0 netns "$name"
    ip link set "$name" up
    ip -n "$name" link set eth0 up
done
ip link set lo up
ip address add 10.1.0.1/24 dev client
ip address add 10.2.0.1/24 dev server
ip -n client address add 10.1.0.2/24 dev eth0
for address in 10.2.0.2 10.2.0.3; do ip -n server address add $address/24 dev eth0; done
ip -n client route add default via 10.1.0.1
ip -n server route add default via 10.2.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
nft -f - <<'NFT'
table ip translation {
    chain prerouting {
        type nat hook prerouting priority -100;
        ip daddr 10.9.0.1 sctp dport 80 dnat to 10.2.0.2:8080
        ip daddr 10.9.0.1 sctp dport 8080 dnat to 10.2.0.2:8080
    }
}
NFT
cat >/run/server.py <<'PY'
import socket, struct, sys, threading
def bound(*addresses):
    end = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
    end.bind((addresses[0], 8080))
    for address in addresses[1:]:
        # SCTP_SOCKOPT_BINDX_ADD
        end.setsockopt(132, 100, struct.pack("=HH4s8x", 2, socket.htons(8080), socket.inet_aton(address)))
    end.listen()
    return end
def echo(peer):
    while data := peer.recv(99):
        peer.send(data)
listener = bound(*sys.argv[1:])
while True:
    threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
PY
cat >/run/client.py <<'PY'
import socket, sys, time
end = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
end.settimeout(20)
end.connect(("10.9.0.1", int(sys.argv[1])))
start = time.monotonic()
try:
    while time.monotonic() - start < 15:
        end.send(b"?")
        end.recv(9)
        time.sleep(0.2)
    print("lives")
except OSError as error:
    print(error.strerror)
PY
echo 1000 >/proc/sys/net/sctp/hb_interval
attempt() { # attempt PORT ADDRESS...: what becomes of an association with a server that has these addresses
    ip netns exec server python3 /run/server.py "${@:2}" &
    local server=$!
    sleep 3
    said=$(ip netns exec client python3 /run/client.py "$1")
    kill "$server"
    wait "$server" 2>/dev/null || true
    echo "port $1 to 8080, server at ${*:2}: $said"
}
status=0
attempt 80 10.2.0.2
[ "$said" = lives ] || status=1
attempt 80 10.2.0.2 10.2.0.3
[ "$said" = "Connection reset by peer" ] || status=1
attempt 8080 10.2.0.2 10.2.0.3
[ "$said" = lives ] || status=1
exit "$status"
