"""python-libusb1 beside C: the same stream job as floor.c's, copied out and submitted again in the callback. See ../Contestant.cs for the protocol."""
import resource
import sys
import time

import usb1


def stream(bus, address, endpoint, depth, length, warm_ms, measure_ms):
    seen = {"transfers": 0, "bytes": 0, "posted": 0, "stopping": False, "failed": None}

    def on_in(transfer):
        seen["posted"] -= 1
        if transfer.getStatus() != usb1.TRANSFER_COMPLETED:
            if not seen["stopping"]:
                seen["failed"] = "a transfer ended with status %d" % transfer.getStatus()
            return
        data = bytes(transfer.getBuffer()[:transfer.getActualLength()])
        seen["transfers"] += 1
        seen["bytes"] += len(data)
        if not seen["stopping"]:
            transfer.submit()
            seen["posted"] += 1

    def pump_until(context, end):
        while time.monotonic_ns() < end and not seen["failed"]:
            context.handleEventsTimeout(5)

    with usb1.USBContext() as context:
        device = next((found for found in context.getDeviceIterator(skip_on_error=True)
                       if found.getBusNumber() == bus and found.getDeviceAddress() == address), None)
        if device is None:
            raise RuntimeError("no device %d.%d" % (bus, address))
        handle = device.open()
        with handle.claimInterface(0):
            transfers = []
            for _ in range(depth):
                transfer = handle.getTransfer()
                transfer.setBulk(endpoint, length, callback=on_in, timeout=0)
                transfer.submit()
                seen["posted"] += 1
                transfers.append(transfer)
            pump_until(context, time.monotonic_ns() + warm_ms * 1000000)
            before, start, first, first_bytes = resource.getrusage(resource.RUSAGE_SELF), time.monotonic_ns(), seen["transfers"], seen["bytes"]
            pump_until(context, start + measure_ms * 1000000)
            end, after = time.monotonic_ns(), resource.getrusage(resource.RUSAGE_SELF)
            count, size = seen["transfers"] - first, seen["bytes"] - first_bytes
            seen["stopping"] = True
            for transfer in reversed(transfers):
                try:
                    transfer.cancel()
                except usb1.USBErrorNotFound:
                    pass  # It completed meanwhile.
            while seen["posted"] > 0:
                context.handleEventsTimeout(5)
    if seen["failed"]:
        raise RuntimeError(seen["failed"])
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9
    return "transfers=%d bytes=%d ns=%d cpu_ns=%d switches=%d" % (count, size, end - start, cpu, after.ru_nvcsw - before.ru_nvcsw)


for line in sys.stdin:
    job = line.split()
    try:
        bus, address, endpoint, depth, length = (int(word) for word in job[1:6])
        answer = stream(bus, address, endpoint, depth, length, int(job[7]), int(job[8]))
    except Exception as failure:  # The protocol has no other way to tell.
        answer = "error %s" % failure
    print(answer, flush=True)
