/*
 * The floor: what plain C does with libusb and nothing in between. Copies each transfer out and submits it again in the callback, on one thread.
 * A job a line on standard input, its figures a line on standard output:
 *
 *   stream BUS ADDRESS ENDPOINT DEPTH LENGTH device|pinned WARM_MS MEASURE_MS
 *   pingpong BUS ADDRESS OUT IN LENGTH WARM_ROUNDS ROUNDS
 *   pace
 *
 * Figures: transfers= bytes= ns= cpu_ns= switches=, or p50= p99= rounds= cpu_ns= switches=, or, of the machine itself, call_ns= copy_ns= hop_ns=: a system call, a copy of 16 KiB,
 * a byte through a pipe to a thread that waits for it. A job that fails answers "error TEXT".
 */
#define _GNU_SOURCE
#include <libusb-1.0/libusb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DEEPEST = 4096, INS = 2, REQUEST = 64, PATIENCE_S = 5 };

struct in_flight {
    struct libusb_transfer *transfer;
    unsigned char *buffer;
};

static struct {
    libusb_device_handle *handle;
    struct in_flight slots[DEEPEST];
    int depth, length, device_memory, posted;
    unsigned char *destination;
    int stopping, failed;
    long long transfers, bytes;
} run;

/* Said at the end of the job, when the device is free for the next one, whose it may be. */
static char answer[256];

static int answer_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int prefix = snprintf(answer, sizeof answer, "error ");
    vsnprintf(answer + prefix, sizeof answer - (size_t)prefix, format, arguments);
    va_end(arguments);
    return -1;
}

static long long now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long cpu_ns(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000LL + (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000LL;
}

static void LIBUSB_CALL on_in(struct libusb_transfer *transfer)
{
    run.posted--;
    if (transfer->status != LIBUSB_TRANSFER_COMPLETED) {
        run.failed |= !run.stopping;
        return;
    }
    memcpy(run.destination, transfer->buffer, (size_t)transfer->actual_length);
    run.transfers++;
    run.bytes += transfer->actual_length;
    if (!run.stopping) {
        if (libusb_submit_transfer(transfer) == 0) run.posted++;
        else run.failed = 1;
    }
}

static void pump(libusb_context *context)
{
    struct timeval limit = {.tv_sec = PATIENCE_S};
    libusb_handle_events_timeout_completed(context, &limit, NULL);
}

static libusb_device_handle *open_at(libusb_context *context, int bus, int address)
{
    libusb_device **devices;
    libusb_device_handle *handle = NULL;
    ssize_t count = libusb_get_device_list(context, &devices);
    for (ssize_t i = 0; i < count; i++) {
        if (libusb_get_bus_number(devices[i]) == bus && libusb_get_device_address(devices[i]) == address) libusb_open(devices[i], &handle);
    }
    if (count >= 0) libusb_free_device_list(devices, 1);
    if (handle && libusb_claim_interface(handle, 0) != 0) {
        libusb_close(handle);
        handle = NULL;
    }
    return handle;
}

static int post_all(int endpoint)
{
    run.destination = aligned_alloc(4096, (size_t)(run.length + 4095) & ~4095UL);
    for (int i = 0; i < run.depth; i++) {
        struct in_flight *slot = &run.slots[i];
        slot->buffer = run.device_memory ? libusb_dev_mem_alloc(run.handle, (size_t)run.length) : aligned_alloc(4096, (size_t)(run.length + 4095) & ~4095UL);
        slot->transfer = libusb_alloc_transfer(0);
        if (!slot->buffer || !slot->transfer) return answer_error("no memory for transfer %d", i);
        libusb_fill_bulk_transfer(slot->transfer, run.handle, (unsigned char)endpoint, slot->buffer, run.length, on_in, slot, 0);
        int code = libusb_submit_transfer(slot->transfer);
        if (code != 0) return answer_error("submit %d: %s", i, libusb_error_name(code));
        run.posted++;
    }
    return 0;
}

static void cancel_all(libusb_context *context)
{
    run.stopping = 1;
    for (int i = run.depth - 1; i >= 0; i--) {
        if (run.slots[i].transfer) libusb_cancel_transfer(run.slots[i].transfer);
    }
    for (long long end = now_ns() + PATIENCE_S * 1000000000LL; run.posted > 0 && now_ns() < end;) pump(context);
    if (run.posted > 0) exit(3);
    for (int i = 0; i < run.depth; i++) {
        if (run.slots[i].transfer) libusb_free_transfer(run.slots[i].transfer);
        if (run.slots[i].buffer && run.device_memory) libusb_dev_mem_free(run.handle, run.slots[i].buffer, (size_t)run.length);
        else free(run.slots[i].buffer);
    }
    free(run.destination);
}

static void stream(libusb_context *context, int endpoint, int warm_ms, int measure_ms)
{
    long long start = 0, end = 0, transfers = 0, bytes = 0;
    struct rusage before = {0}, after = {0};
    if (post_all(endpoint) == 0) {
        for (long long until = now_ns() + warm_ms * 1000000LL; now_ns() < until && !run.failed;) pump(context);
        getrusage(RUSAGE_SELF, &before);
        start = now_ns();
        transfers = run.transfers;
        bytes = run.bytes;
        for (long long until = start + measure_ms * 1000000LL; (end = now_ns()) < until && !run.failed;) pump(context);
        getrusage(RUSAGE_SELF, &after);
        transfers = run.transfers - transfers;
        bytes = run.bytes - bytes;
        if (run.failed) answer_error("a transfer failed");
        else
            snprintf(answer, sizeof answer, "transfers=%lld bytes=%lld ns=%lld cpu_ns=%lld switches=%ld", transfers, bytes, end - start,
                     cpu_ns(&after) - cpu_ns(&before), after.ru_nvcsw - before.ru_nvcsw);
    }
    cancel_all(context);
}

static void LIBUSB_CALL on_out(struct libusb_transfer *transfer)
{
    *(int *)transfer->user_data = 1;
    run.failed |= transfer->status != LIBUSB_TRANSFER_COMPLETED;
}

static int by_value(const void *left, const void *right)
{
    long long a = *(const long long *)left, b = *(const long long *)right;
    return (a > b) - (a < b);
}

static void pingpong(libusb_context *context, int out, int in, int warm, int rounds)
{
    static unsigned char request[REQUEST];
    struct libusb_transfer *writing = libusb_alloc_transfer(0);
    long long *times = calloc((size_t)rounds, sizeof *times);
    struct rusage before = {0}, after = {0};
    int sent = 1;
    if (writing && times && post_all(in) == 0) {
        libusb_fill_bulk_transfer(writing, run.handle, (unsigned char)out, request, REQUEST, on_out, &sent, 0);
        for (int round = -warm; round < rounds && !run.failed; round++) {
            if (round == 0) getrusage(RUSAGE_SELF, &before);
            long long start = now_ns(), replies = run.transfers;
            sent = 0;
            if (libusb_submit_transfer(writing) != 0) {
                sent = run.failed = 1;
                break;
            }
            while (run.transfers == replies && !run.failed) pump(context);
            if (round >= 0) times[round] = now_ns() - start;
            while (!sent) pump(context);
        }
        getrusage(RUSAGE_SELF, &after);
        qsort(times, (size_t)rounds, sizeof *times, by_value);
        if (run.failed) answer_error("a transfer failed");
        else
            snprintf(answer, sizeof answer, "p50=%lld p99=%lld rounds=%d cpu_ns=%lld switches=%ld", times[rounds / 2], times[rounds * 99LL / 100], rounds,
                     cpu_ns(&after) - cpu_ns(&before), after.ru_nvcsw - before.ru_nvcsw);
    }
    cancel_all(context);
    if (writing) libusb_free_transfer(writing);
    free(times);
}

static void *echo(void *ends)
{
    int *from_to = ends;
    char byte;
    while (read(from_to[0], &byte, 1) == 1 && write(from_to[1], &byte, 1) == 1) {}
    return NULL;
}

static void pace(void)
{
    enum { CALLS = 20000, COPIES = 2000, HOPS = 3000, COPIED = 16384 };
    static unsigned char from[COPIED] __attribute__((aligned(4096))), to[COPIED] __attribute__((aligned(4096)));
    int there[2], back[2];
    char byte = 1;
    pthread_t other;
    if (pipe(there) != 0 || pipe(back) != 0) {
        answer_error("no pipe");
        return;
    }
    int ends[] = {there[0], back[1]};
    if (pthread_create(&other, NULL, echo, ends) != 0) {
        answer_error("no thread");
        return;
    }
    /* Twice: the first time warms up. */
    for (int turn = 0; turn < 2; turn++) {
        long long start = now_ns();
        for (int i = 0; i < CALLS; i++) syscall(SYS_getppid);
        long long called = now_ns();
        for (int i = 0; i < COPIES; i++) {
            memcpy(to, from, COPIED);
            __asm__ volatile("" : : "r"(to) : "memory");
        }
        long long copied = now_ns();
        for (int i = 0; i < HOPS / 2; i++) {
            if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) {
                answer_error("a pipe broke");
                return;
            }
        }
        snprintf(answer, sizeof answer, "call_ns=%lld copy_ns=%lld hop_ns=%lld", (called - start) / CALLS, (copied - called) / COPIES, (now_ns() - copied) / HOPS);
    }
    close(there[1]);
    pthread_join(other, NULL);
    close(there[0]);
    close(back[0]);
    close(back[1]);
}

int main(void)
{
    char line[256], memory[16];
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        int bus, address, out, in, warm, amount;
        libusb_context *context;
        answer[0] = '\0';
        if (strcmp(line, "pace\n") == 0) {
            pace();
            puts(answer);
            continue;
        }
        /* A context of its own for each job: without a udev daemon its list of devices is the one of its beginning. */
        if (libusb_init(&context) != 0) return 1;
        memset(&run, 0, sizeof run);
        if (sscanf(line, "stream %d %d %i %d %d %15s %d %d", &bus, &address, &in, &run.depth, &run.length, memory, &warm, &amount) == 8) {
            run.device_memory = strcmp(memory, "device") == 0;
            if (run.depth > DEEPEST) answer_error("too deep");
            else if (!(run.handle = open_at(context, bus, address))) answer_error("no device %d.%d", bus, address);
            else stream(context, in, warm, amount);
        } else if (sscanf(line, "pingpong %d %d %i %i %d %d %d", &bus, &address, &out, &in, &run.length, &warm, &amount) == 7) {
            run.depth = INS;
            if (!(run.handle = open_at(context, bus, address))) answer_error("no device %d.%d", bus, address);
            else pingpong(context, out, in, warm, amount);
        } else {
            answer_error("what is '%.*s'?", (int)strcspn(line, "\n"), line);
        }
        if (run.handle) {
            libusb_release_interface(run.handle, 0);
            libusb_close(run.handle);
        }
        libusb_exit(context);
        puts(answer);
    }
    return 0;
}
