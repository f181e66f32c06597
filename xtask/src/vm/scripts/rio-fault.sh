#!/bin/busybox sh
# rio-fault none          pass everything through; releases what a hang held back
# rio-fault eio           every read and write fails with EIO
# rio-fault eio-writes    writes fail with EIO, reads work
# rio-fault drop-writes   writes report success and are lost
# rio-fault delay MS      every read and write takes so many milliseconds
# rio-fault hang          nothing completes until the next call
device=$RIO_VM_DM_BACKING
size=$(blockdev --getsz "$device")
# A flakey device alternates between an up and a down interval; with no up interval it is always down.
case "$1" in
none) table="linear $device 0" ;;
eio) table="flakey $device 0 0 3600" ;;
eio-writes) table="flakey $device 0 0 3600 1 error_writes" ;;
drop-writes) table="flakey $device 0 0 3600 1 drop_writes" ;;
delay) table="delay $device 0 $2" ;;
hang) exec dmsetup suspend --nolockfs --noflush rio ;;
*) echo "rio-fault: unknown fault '$1'"; exit 2 ;;
esac
if [ ! -e /dev/mapper/rio ]; then
    exec dmsetup create rio --table "0 $size $table"
fi
# Neither flushing nor freezing the file system: both would wait for I/O that must not end.
dmsetup suspend --nolockfs --noflush rio &&
    dmsetup load rio --table "0 $size $table" &&
    dmsetup resume rio
