// gousb beside C: the same stream job as floor.c's, read through gousb's ReadStream. See ../Contestant.cs for the protocol.
package main

import (
	"bufio"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/google/gousb"
)

func cpuNanoseconds(usage syscall.Rusage) int64 { return usage.Utime.Nano() + usage.Stime.Nano() }

func usageNow() syscall.Rusage {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage
}

func readFor(stream *gousb.ReadStream, buffer []byte, duration time.Duration) (transfers, bytes int64, elapsed time.Duration, err error) {
	start := time.Now()
	for elapsed = 0; elapsed < duration; elapsed = time.Since(start) {
		n, err := stream.Read(buffer)
		if err != nil {
			return transfers, bytes, elapsed, err
		}
		transfers++
		bytes += int64(n)
	}
	return transfers, bytes, elapsed, nil
}

func stream(bus, address, endpoint, depth, length, warm, measure int) (string, error) {
	context := gousb.NewContext()
	defer context.Close()
	devices, err := context.OpenDevices(func(found *gousb.DeviceDesc) bool { return found.Bus == bus && found.Address == address })
	if len(devices) != 1 {
		return "", fmt.Errorf("no device %d.%d: %v", bus, address, err)
	}
	defer devices[0].Close()
	config, err := devices[0].Config(1)
	if err != nil {
		return "", err
	}
	defer config.Close()
	claimed, err := config.Interface(0, 0)
	if err != nil {
		return "", err
	}
	defer claimed.Close()
	in, err := claimed.InEndpoint(endpoint & 0x0f)
	if err != nil {
		return "", err
	}
	reader, err := in.NewStream(length, depth)
	if err != nil {
		return "", err
	}
	buffer := make([]byte, length)
	_, _, _, err = readFor(reader, buffer, time.Duration(warm)*time.Millisecond)
	before := usageNow()
	transfers, bytes, elapsed, measured := readFor(reader, buffer, time.Duration(measure)*time.Millisecond)
	after := usageNow()
	reader.Close()
	// Close leaves what is posted; reading on to the end lets it come back.
	for drained := error(nil); drained == nil; _, drained = reader.Read(buffer) {
	}
	if err != nil || measured != nil {
		return "", fmt.Errorf("%v %v", err, measured)
	}
	return fmt.Sprintf("transfers=%d bytes=%d ns=%d cpu_ns=%d switches=%d",
		transfers, bytes, elapsed.Nanoseconds(), cpuNanoseconds(after)-cpuNanoseconds(before), after.Nvcsw-before.Nvcsw), nil
}

func main() {
	jobs := bufio.NewScanner(os.Stdin)
	for jobs.Scan() {
		var bus, address, endpoint, depth, length, warm, measure int
		var memory string
		answer := ""
		_, err := fmt.Sscanf(jobs.Text(), "stream %d %d %d %d %d %s %d %d", &bus, &address, &endpoint, &depth, &length, &memory, &warm, &measure)
		if err == nil {
			answer, err = stream(bus, address, endpoint, depth, length, warm, measure)
		}
		if err != nil {
			answer = "error " + err.Error()
		}
		fmt.Println(answer)
	}
}
