#!/bin/sh
# keepalived 2.3 as Debian 13 has it reads /etc/keepalived/keepalived.config-opts, a file of its package, before anything else, and ends
# with status 1 if it cannot: also with -f for a configuration elsewhere. So whatever hides /etc/keepalived (a volume mounted there, a
# container with the program alone) keeps it from starting. keepalived 2.2.7 of Debian 12 has no such file.
#
# Needs root and keepalived; hides the folder in a mount namespace of its own. Exits 1 if keepalived starts without the file.
# Seen with keepalived 2.3.3 (Debian 13):
#   with the file:    status 0
#   without the file: status 1, Unable to read build config options file
set -u
command -v keepalived >/dev/null || { echo "keepalived is needed" >&2; exit 2; }
keepalived --version 2>&1 | head -n 1
echo "with the file:    status $(keepalived --version >/dev/null 2>&1; echo $?)"
said=$(unshare -m --propagation unchanged sh -c 'mount -t tmpfs tmpfs /etc/keepalived && keepalived --version' 2>&1)
status=$?
echo "without the file: status $status, $(echo "$said" | head -n 1)"
case $status-$said in 1-"Unable to read build config options file"*) ;; *) exit 1 ;; esac
