# Proves each device by using it; leaves the verdict in $status.
status=0
check() {
    name=$1; shift
    if "$@" >/tmp/check 2>&1; then echo "ok      $name"; else echo "FAILED  $name: $(head -c 300 /tmp/check)"; status=1; fi
}
refuses() { ! "$@"; }
read_direct() { dd if="$1" of=/dev/null bs=4096 count=1 skip=${2:-0} iflag=direct; }
write_direct() { dd if=/tmp/pattern of="$1" bs=4096 count=1 seek=1000 oflag=direct conv=notrunc; }
holds() { dd if="$1" of=/tmp/back bs=4096 count=1 skip=1000 iflag=direct && cmp /tmp/back "$2"; }
file_round_trip() {
    cp /tmp/pattern "$1/file" && sync && echo 3 >/proc/sys/vm/drop_caches && cmp /tmp/pattern "$1/file"
}
hangs() {
    rio-fault hang || return 1
    read_direct /dev/mapper/rio 2000 & reader=$!
    sleep 1
    kill -0 $reader || { echo "the read ended while the device hung"; return 1; }
    rio-fault none && wait $reader
}
takes_long() {
    rio-fault delay 700 || return 1
    before=$(cut -d. -f1 /proc/uptime); read_direct /dev/mapper/rio 3000; read_direct /dev/mapper/rio 4000
    after=$(cut -d. -f1 /proc/uptime); [ $((after - before)) -ge 1 ]
}

echo "kernel      $(uname -r), $(nproc) processors, $(grep MemTotal /proc/meminfo | tr -s ' ')"
for node in /sys/devices/system/node/node[0-9]*; do
    echo "numa        $(basename $node): processors $(cat $node/cpulist), $(grep -o 'MemTotal.*' $node/meminfo | tr -s ' ')"
done
echo "io_uring    $(grep -c ' [tT] .*sys_io_uring_' /proc/kallsyms) system call entries"
echo "modules     $(lsmod | tail -n +2 | cut -d' ' -f1 | tr '\n' ' ')"
echo "mounts      $(mount | grep ' /mnt/' | cut -d' ' -f1,3,5 | tr ' ' ':' | tr '\n' ' ')"
large=${RIO_VM_LARGE_SECTOR_DEVICE#/dev/}
for device in vda $large sda dm-0; do
    queue=/sys/block/$device/queue
    echo "device      $device: sectors of $(cat $queue/logical_block_size) bytes, $(cat /sys/block/$device/size) x 512"
done

check "two memory nodes" test -d /sys/devices/system/node/node1
check "io_uring in the kernel" grep -q ' [tT] .*sys_io_uring_setup' /proc/kallsyms
dd if=/dev/urandom of=/tmp/pattern bs=4096 count=1 2>/dev/null
dd if=/dev/urandom of=/tmp/lost bs=4096 count=1 2>/dev/null
for directory in /mnt/ext4 /mnt/xfs /mnt/large /mnt/dm; do check "file on $directory" file_round_trip $directory; done
check "4 KiB sectors" test "$(cat /sys/block/$large/queue/logical_block_size)" = 4096
umount /mnt/dm
check "mapped device works" write_direct /dev/mapper/rio
check "  and keeps data" holds /dev/mapper/rio /tmp/pattern
rio-fault eio
check "eio refuses reads" refuses read_direct /dev/mapper/rio
check "eio refuses writes" refuses write_direct /dev/mapper/rio
rio-fault eio-writes
check "eio-writes refuses writes" refuses write_direct /dev/mapper/rio
check "  and allows reads" read_direct /dev/mapper/rio
rio-fault drop-writes
mv /tmp/pattern /tmp/kept; mv /tmp/lost /tmp/pattern
check "drop-writes takes writes" write_direct /dev/mapper/rio
rio-fault none
check "  and loses them" holds /dev/mapper/rio /tmp/kept
check "delay slows reads" takes_long
check "hang holds a read back" hangs
check "scsi disk works" read_direct /dev/sda 582
echo 2 >/sys/bus/pseudo/drivers/scsi_debug/opts
# With that option the driver reports a medium error at sector 4660, which lies in this block.
check "scsi medium error" refuses read_direct /dev/sda 582
echo 0 >/sys/bus/pseudo/drivers/scsi_debug/opts
check "scsi disk works again" read_direct /dev/sda 582
