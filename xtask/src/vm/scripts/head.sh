#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp RUST_BACKTRACE=1 RIO_SKIP_LOG=/run/rio-skips
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
# The kernel keeps the first port for itself, so that its messages never cut through the verdict.
exec </dev/null >/dev/ttyS1 2>&1
stty -onlcr </dev/ttyS1
ip link set lo up
[ -d /sys/devices/system/node/node1 ] && export RIO_VM_NUMA=1

finish() {
    [ -f "$RIO_SKIP_LOG" ] && sed 's/^/RIO-VM-SKIP: /' "$RIO_SKIP_LOG"
    echo "RIO-VM-EXIT: $1"
    # The port sends on after the write returned.
    sleep 1
    poweroff -n -f
}
fail() {
    echo "the guest cannot set up: $*"
    finish 125
}
await() {
    for i in $(seq 100); do [ -e "$1" ] && return; usleep 50000; done
    fail no device "$1"
}
attach() {
    mkdir -p "$3"
    mount -t "$1" "$2" "$3" || fail mount "$@"
}
