/*
 * Shows that the shim does what it says, over a libusb without a bus (fake.c): every rule fires when it is broken and is silent when it is not, a rule
 * that is allowed is counted, what is left behind is reported, and every order alters what it says.
 *
 *   selftest          runs every test in a process of its own, prints what fails and a line of figures; exit code 0 when nothing did
 *   selftest NAME     runs one in this process
 *
 * It is linked with the shim; SHIM_LIBUSB names the fake.
 */
#define _GNU_SOURCE
#include "../report.h"
#include "../shim.h"
#include <errno.h>
#include <fcntl.h>
#include <libusb-1.0/libusb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN = 0x81, OUT = 0x02, LENGTH = 512, WAIT_MS = 30000 };

static libusb_context *context;
static libusb_device *device;
static libusb_device_handle *handle;
static unsigned char buffer[2 * LENGTH];
static int told, last_status, last_length;
static void (*in_callback)(void);

static void LIBUSB_CALL on_completed(struct libusb_transfer *transfer)
{
    told++;
    last_status = (int)transfer->status;
    last_length = transfer->actual_length;
    if (in_callback != NULL) in_callback();
}

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "selftest: %s\n", what);
    exit(1);
}

static void open_device(void)
{
    libusb_device **list;
    libusb_init(&context);
    require(libusb_get_device_list(context, &list) == 1, "there is no device");
    device = list[0];
    libusb_open(device, &handle);
    libusb_free_device_list(list, 1);
    libusb_claim_interface(handle, 0);
}

static void close_device(void)
{
    libusb_release_interface(handle, 0);
    libusb_close(handle);
    libusb_exit(context);
}

static struct libusb_transfer *prepare(unsigned char endpoint, unsigned char *data)
{
    struct libusb_transfer *transfer = libusb_alloc_transfer(0);
    libusb_fill_bulk_transfer(transfer, handle, endpoint, data, LENGTH, on_completed, NULL, 0);
    return transfer;
}

static struct libusb_transfer *post(unsigned char endpoint, unsigned char *data)
{
    struct libusb_transfer *transfer = prepare(endpoint, data);
    require(libusb_submit_transfer(transfer) == 0, "a submit failed");
    return transfer;
}

/* The device completes it: see fake.c. */
static void complete(struct libusb_transfer *transfer)
{
    libusb_get_device_address((libusb_device *)transfer);
    libusb_handle_events_completed(context, NULL);
}

static void cancel(struct libusb_transfer *transfer)
{
    libusb_cancel_transfer(transfer);
    libusb_handle_events_completed(context, NULL);
}

/* Another thread inside a call. */
static void *in_a_cancel(void *transfer)
{
    libusb_cancel_transfer(transfer);
    return NULL;
}

static void *in_the_events(void *unused)
{
    (void)unused;
    libusb_handle_events_completed(context, NULL);
    return NULL;
}

static void enter_cancel(struct libusb_transfer *transfer)
{
    pthread_t thread;
    shim_order(SHIM_CANCEL, SHIM_GATE, 0, 1, 0, 0);
    pthread_create(&thread, NULL, in_a_cancel, transfer);
    require(shim_wait_gate(WAIT_MS), "the other thread did not get into its call");
}

static void enter_events(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, in_the_events, NULL);
    while (shim_interrupt_pumps() == 0) usleep(1000);
}

/* ---- One broken rule each. ---- */

static void break_free_posted(void) { libusb_free_transfer(post(IN, buffer)); }

static void break_free_in_use(void)
{
    struct libusb_transfer *transfer = post(IN, buffer);
    complete(transfer);
    enter_cancel(transfer);
    libusb_free_transfer(transfer);
}

static void break_free_twice(void)
{
    struct libusb_transfer *transfer = prepare(IN, buffer);
    libusb_free_transfer(transfer);
    libusb_free_transfer(transfer);
}

static void break_submit_posted(void) { libusb_submit_transfer(post(IN, buffer)); }

static void break_submit_freed(void)
{
    struct libusb_transfer *transfer = prepare(IN, buffer);
    libusb_free_transfer(transfer);
    libusb_submit_transfer(transfer);
}

static void break_cancel_freed(void)
{
    struct libusb_transfer *transfer = post(IN, buffer);
    cancel(transfer);
    libusb_free_transfer(transfer);
    libusb_cancel_transfer(transfer);
}

static void break_cancel_unsubmitted(void) { libusb_cancel_transfer(prepare(IN, buffer)); }

static void break_cancel_closed(void)
{
    struct libusb_transfer *transfer = post(IN, buffer);
    libusb_close(handle);
    libusb_cancel_transfer(transfer);
}

static void break_buffer_shared(void)
{
    post(IN, buffer);
    post(IN, buffer + LENGTH - 1);
}

static void break_buffer_written(void)
{
    struct libusb_transfer *transfer = post(IN, buffer);
    buffer[LENGTH - 1] = 0;
    complete(transfer);
}

static void break_buffer_written_out(void)
{
    struct libusb_transfer *transfer = post(OUT, buffer);
    buffer[0] ^= 1;
    complete(transfer);
}

static void break_memory_posted(void)
{
    unsigned char *memory = libusb_dev_mem_alloc(handle, LENGTH);
    post(IN, memory);
    libusb_dev_mem_free(handle, memory, LENGTH);
}

static void break_memory_unknown(void)
{
    unsigned char *memory = libusb_dev_mem_alloc(handle, LENGTH);
    libusb_dev_mem_free(handle, memory, LENGTH);
    libusb_dev_mem_free(handle, memory, LENGTH);
}

static void break_memory_partly(void)
{
    unsigned char *memory = libusb_dev_mem_alloc(handle, LENGTH);
    post(IN, memory + 1);
}

static void break_memory_open(void)
{
    libusb_dev_mem_alloc(handle, LENGTH);
    close_device();
}

static void break_handle_closed(void)
{
    libusb_close(handle);
    libusb_clear_halt(handle, IN);
}

static void break_handle_closed_submit(void)
{
    struct libusb_transfer *transfer = prepare(IN, buffer);
    libusb_close(handle);
    libusb_submit_transfer(transfer);
}

static void break_handle_closed_twice(void)
{
    libusb_close(handle);
    libusb_close(handle);
}

static void break_close_posted(void)
{
    post(IN, buffer);
    libusb_close(handle);
}

static void break_close_in_use(void)
{
    struct libusb_transfer *transfer = post(IN, buffer);
    complete(transfer);
    enter_cancel(transfer);
    libusb_close(handle);
}

static void break_context_exited(void)
{
    close_device();
    libusb_interrupt_event_handler(context);
}

static void break_context_exited_device(void)
{
    close_device();
    libusb_get_bus_number(device);
}

static void break_context_exited_free(void)
{
    struct libusb_transfer *transfer = post(IN, buffer);
    cancel(transfer);
    close_device();
    libusb_free_transfer(transfer);
}

static void break_exit_open(void) { libusb_exit(context); }

static void break_exit_in_use(void)
{
    enter_events();
    close_device();
}

static void break_clear_posted(void)
{
    post(IN, buffer);
    libusb_clear_halt(handle, IN);
}

static void break_change_posted(void)
{
    post(IN, buffer);
    libusb_release_interface(handle, 0);
}

static void break_reset_posted(void)
{
    post(IN, buffer);
    libusb_reset_device(handle);
}

static void ask(void) { libusb_control_transfer(handle, 0x80, 0, 0, 0, buffer, 2, 0); }

static void break_blocks_callback(void)
{
    in_callback = ask;
    complete(post(IN, buffer));
}

static const struct {
    const char *name; /* the rule's, and what tells several of one rule apart after a '+' */
    void (*run)(void);
} breaks[] = {
    {"free-posted", break_free_posted},
    {"free-in-use", break_free_in_use},
    {"free-twice", break_free_twice},
    {"submit-posted", break_submit_posted},
    {"submit-freed", break_submit_freed},
    {"cancel-freed", break_cancel_freed},
    {"cancel-unsubmitted", break_cancel_unsubmitted},
    {"cancel-closed", break_cancel_closed},
    {"buffer-shared", break_buffer_shared},
    {"buffer-written", break_buffer_written},
    {"buffer-written+out", break_buffer_written_out},
    {"memory-posted", break_memory_posted},
    {"memory-unknown", break_memory_unknown},
    {"memory-partly", break_memory_partly},
    {"memory-open", break_memory_open},
    {"handle-closed", break_handle_closed},
    {"handle-closed+submit", break_handle_closed_submit},
    {"handle-closed+twice", break_handle_closed_twice},
    {"close-posted", break_close_posted},
    {"close-in-use", break_close_in_use},
    {"context-exited", break_context_exited},
    {"context-exited+device", break_context_exited_device},
    {"context-exited+free", break_context_exited_free},
    {"exit-open", break_exit_open},
    {"exit-in-use", break_exit_in_use},
    {"clear-posted", break_clear_posted},
    {"change-posted", break_change_posted},
    {"reset-posted", break_reset_posted},
    {"blocks-callback", break_blocks_callback},
};
enum { BREAKS = sizeof breaks / sizeof breaks[0] };

/* The rules that a test needs allowed, to get as far as the one it breaks. */
static const char *prerequisite(const char *name) { return strcmp(name, "cancel-closed") == 0 ? "close-posted" : ""; }

/* ---- What is no breach, and what is reported. Each ends in a report that must have these pieces. ---- */

static void lawful(void)
{
    struct libusb_transfer *in = prepare(IN, buffer), *out = prepare(OUT, buffer + LENGTH);
    unsigned char *memory = libusb_dev_mem_alloc(handle, LENGTH);
    struct libusb_transfer *mapped = prepare(IN, memory);
    for (int round = 0; round < 3; round++) {
        libusb_submit_transfer(in);
        libusb_submit_transfer(out);
        libusb_submit_transfer(mapped);
        complete(in);
        cancel(out);
        complete(mapped);
        /* Too late, as it may happen to anybody. */
        libusb_cancel_transfer(in);
    }
    require(told == 9, "not every completion was told");
    libusb_clear_halt(handle, IN);
    libusb_reset_device(handle);
    libusb_free_transfer(in);
    libusb_free_transfer(out);
    libusb_free_transfer(mapped);
    libusb_free_transfer(NULL);
    libusb_dev_mem_free(handle, memory, LENGTH);
    close_device();
}

/* What was mapped before began in the middle of what is mapped now. */
static void remaps(void)
{
    libusb_dev_mem_free(handle, libusb_dev_mem_alloc(handle, 2 * LENGTH), 2 * LENGTH);
    libusb_dev_mem_free(handle, libusb_dev_mem_alloc(handle, LENGTH), LENGTH);
    unsigned char *memory = libusb_dev_mem_alloc(handle, 2 * LENGTH);
    struct libusb_transfer *mapped = prepare(IN, memory);
    mapped->length = 2 * LENGTH;
    libusb_submit_transfer(mapped);
    complete(mapped);
    libusb_free_transfer(mapped);
    libusb_dev_mem_free(handle, memory, 2 * LENGTH);
    close_device();
}

static void forgets(void)
{
    post(IN, buffer);
    post(IN, buffer + LENGTH);
    libusb_dev_mem_alloc(handle, LENGTH);
}

static void allowed(void)
{
    struct libusb_transfer *transfer = post(IN, buffer);
    libusb_release_interface(handle, 0);
    libusb_close(handle);
    libusb_free_transfer(transfer);
    libusb_exit(context);
}

static void orders_answer(void)
{
    struct libusb_transfer *transfer = prepare(IN, buffer), *out = prepare(OUT, buffer + LENGTH);
    shim_order(SHIM_SUBMIT, SHIM_ANSWER, 1, 2, LIBUSB_ERROR_IO, 0);
    int codes[4];
    for (int index = 0; index < 4; index++) {
        codes[index] = libusb_submit_transfer(transfer);
        if (codes[index] == 0) cancel(transfer);
        require(libusb_submit_transfer(out) == 0, "an order for IN transfers took an OUT transfer");
        cancel(out);
    }
    require(codes[0] == 0 && codes[1] == LIBUSB_ERROR_IO && codes[2] == LIBUSB_ERROR_IO && codes[3] == 0, "the second and third submit were to fail");

    libusb_submit_transfer(transfer);
    shim_order(SHIM_CANCEL, SHIM_ANSWER, 0, 1, LIBUSB_ERROR_OTHER, 0);
    shim_order(SHIM_CANCEL, SHIM_ANSWER_AFTER, 0, 1, LIBUSB_ERROR_NO_DEVICE, 0);
    told = 0;
    require(libusb_cancel_transfer(transfer) == LIBUSB_ERROR_OTHER, "the first cancel was to answer OTHER");
    require(libusb_cancel_transfer(transfer) == LIBUSB_ERROR_NO_DEVICE, "the second cancel was to answer NO_DEVICE");
    libusb_handle_events_completed(context, NULL);
    require(told == 1 && last_status == LIBUSB_TRANSFER_CANCELLED, "the second cancel was to reach libusb");

    shim_order(SHIM_CLEAR_HALT, SHIM_ANSWER, 0, 1, LIBUSB_ERROR_PIPE, 0);
    require(libusb_clear_halt(handle, IN) == LIBUSB_ERROR_PIPE && libusb_clear_halt(handle, IN) == 0, "the first clear_halt was to fail");
    shim_order(SHIM_ALLOC_TRANSFER, SHIM_ANSWER, 0, 1, 0, 0);
    require(libusb_alloc_transfer(0) == NULL, "the allocation of a transfer was to fail");
    shim_order(SHIM_MEMORY_ALLOC, SHIM_ANSWER, 0, SHIM_FOR_EVER, 0, 0);
    require(libusb_dev_mem_alloc(handle, LENGTH) == NULL && libusb_dev_mem_alloc(handle, LENGTH) == NULL, "the allocation of device memory was to fail");
    shim_forget_orders();
    shim_order(SHIM_HANDLE_EVENTS, SHIM_ANSWER, 0, 1, LIBUSB_ERROR_INTERRUPTED, 0);
    require(libusb_handle_events_completed(context, NULL) == LIBUSB_ERROR_INTERRUPTED, "handling events was to be interrupted");
    require(shim_count(COUNT_ALTERED) == 9, "nine calls were altered");
    libusb_free_transfer(transfer);
    libusb_free_transfer(out);
    close_device();
}

static void orders_complete(void)
{
    struct libusb_transfer *transfer = prepare(IN, buffer);
    shim_order(SHIM_COMPLETION, SHIM_ALTER, 0, 1, LIBUSB_TRANSFER_ERROR, 7);
    shim_order(SHIM_COMPLETION, SHIM_HOLD, 0, 1, 0, 0);
    libusb_submit_transfer(transfer);
    complete(transfer);
    require(told == 1 && last_status == LIBUSB_TRANSFER_ERROR && last_length == 7, "a completion was to be an error with 7 bytes");
    libusb_submit_transfer(transfer);
    complete(transfer);
    require(told == 1 && shim_untold() == 1, "a completion was to be held");
    require(shim_release() == 1 && told == 2 && shim_untold() == 0, "it was to be told later");
    shim_order(SHIM_COMPLETION, SHIM_SWALLOW, 0, 1, 0, 0);
    libusb_submit_transfer(transfer);
    complete(transfer);
    require(told == 2 && shim_untold() == 1 && shim_release() == 0, "a completion was to be swallowed");
}

static const struct {
    const char *name;
    void (*run)(void);
    const char *allow, *report[3];
} lawfuls[] = {
    {"lawful", lawful, "", {"submits=9 completions=9", "altered=0 transfers=0 handles=0 contexts=0 mappings=0", "broken=\n"}},
    {"remaps", remaps, "", {"submits=1 completions=1", "mappings=0", "broken=\n"}},
    {"forgets", forgets, "", {"transfers=2 handles=1 contexts=1 mappings=1", "broken=\n", ""}},
    {"allowed", allowed, "exit-open,close-posted,change-posted", {"transfers=0 handles=0 contexts=0", "broken=close-posted:1,change-posted:1\n", ""}},
    {"orders-answer", orders_answer, "", {"transfers=0", "broken=\n", ""}},
    {"orders-complete", orders_complete, "", {"transfers=1", "broken=\n", ""}},
};
enum { LAWFULS = sizeof lawfuls / sizeof lawfuls[0] };

/* ---- Running them. ---- */

static int run_here(const char *name)
{
    for (int index = 0; index < BREAKS; index++) {
        if (strcmp(breaks[index].name, name) == 0) {
            open_device();
            breaks[index].run();
            return 0;
        }
    }
    for (int index = 0; index < LAWFULS; index++) {
        if (strcmp(lawfuls[index].name, name) == 0) {
            open_device();
            lawfuls[index].run();
            return 0;
        }
    }
    return 2;
}

/* Runs a test in a process of its own. Answers its exit status, what it said and what it reported. */
static int run_apart(const char *name, const char *allow, char *said, char *reported, size_t size)
{
    char path[] = "/tmp/shim-selftest-XXXXXX";
    int report = mkstemp(path), error[2];
    require(report >= 0 && pipe(error) == 0, "there is no file or pipe");
    pid_t child = fork();
    if (child == 0) {
        setenv("SHIM_REPORT", path, 1);
        setenv("SHIM_ALLOW", allow, 1);
        dup2(error[1], STDERR_FILENO);
        execl("/proc/self/exe", "selftest", name, (char *)NULL);
        _exit(127);
    }
    close(error[1]);
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(error[0], said + length, size - 1 - length)) > 0) length += (size_t)got;
    said[length] = '\0';
    close(error[0]);
    int status;
    require(waitpid(child, &status, 0) == child, "a test cannot be waited for");
    got = read(report, reported, size - 1);
    reported[got > 0 ? got : 0] = '\0';
    close(report);
    unlink(path);
    return status;
}

#define RULE_NAME(identifier, name, text) name,
static const char *const rules[] = {RULES(RULE_NAME)};

int main(int count, char **arguments)
{
    if (count > 1) return run_here(arguments[1]);

    char said[1024], reported[1024], wanted[64];
    int fired[RULE_COUNT] = {0}, failed = 0, rules_fired = 0;
    for (int index = 0; index < BREAKS; index++) {
        const char *name = breaks[index].name;
        int status = run_apart(name, prerequisite(name), said, reported, sizeof said);
        int length = (int)strcspn(name, "+");
        snprintf(wanted, sizeof wanted, "shim: %.*s: ", length, name);
        char *own = strstr(said, wanted);
        snprintf(wanted, sizeof wanted, "%.*s:1", length, name);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || own == NULL || strstr(reported, wanted) == NULL) {
            printf("%s did not fire: status %x, said '%s', reported '%s'\n", name, (unsigned)status, said, reported);
            failed++;
            continue;
        }
        for (int rule = 0; rule < RULE_COUNT; rule++) fired[rule] |= strncmp(rules[rule], name, (size_t)length) == 0 && rules[rule][length] == '\0';
    }
    for (int rule = 0; rule < RULE_COUNT; rule++) {
        if (fired[rule]) rules_fired++;
        else printf("nothing shows that %s fires\n", rules[rule]);
    }
    for (int index = 0; index < LAWFULS; index++) {
        int status = run_apart(lawfuls[index].name, lawfuls[index].allow, said, reported, sizeof said);
        int complete_report = 1;
        for (int piece = 0; piece < 3; piece++) complete_report &= strstr(reported, lawfuls[index].report[piece]) != NULL;
        if (status != 0 || !complete_report) {
            printf("%s failed: status %x, said '%s', reported '%s'\n", lawfuls[index].name, (unsigned)status, said, reported);
            failed++;
        }
    }
    printf("%d of %d rules fire (%d ways to break them), %d lawful programs and orders\n", rules_fired, RULE_COUNT, BREAKS, LAWFULS);
    return failed == 0 && rules_fired == RULE_COUNT ? 0 : 1;
}
