/*
 * The line at a process's end, fields separated by spaces:
 *
 *   calls=N submits=N completions=N cancels=N altered=N transfers=N handles=N contexts=N mappings=N broken=RULE:N,RULE:N
 *
 * The four after "altered" are what was left behind; "broken" is empty without a broken rule.
 */
#define _GNU_SOURCE
#include "report.h"
#include "handles.h"
#include "memory.h"
#include "objects.h"
#include "shim.h"
#include "transfers.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rule_text {
    const char *name, *text;
};

#define RULE_TEXT(identifier, name, text) {name, text},
static const struct rule_text rules[RULE_COUNT] = {RULES(RULE_TEXT)};

static atomic_long counters[COUNTERS];
static int times_broken[RULE_COUNT];

void tally(enum counter counter) { atomic_fetch_add_explicit(&counters[counter], 1, memory_order_relaxed); }

static long tallied(enum counter counter) { return atomic_load_explicit(&counters[counter], memory_order_relaxed); }

long shim_count(int counter) { return counter >= 0 && counter < COUNTERS ? tallied((enum counter)counter) : 0; }

static int is_allowed(const char *rule)
{
    const char *allowed = getenv("SHIM_ALLOW");
    size_t length = strlen(rule);
    while (allowed != NULL && *allowed != '\0') {
        size_t end = strcspn(allowed, ",");
        if (end == length && strncmp(allowed, rule, length) == 0) return 1;
        allowed += end + (allowed[end] == ',');
    }
    return 0;
}

static void write_report(void)
{
    const char *path = getenv("SHIM_REPORT");
    if (path == NULL) return;
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0) return;
    dprintf(file, "calls=%ld submits=%ld completions=%ld cancels=%ld altered=%ld transfers=%d handles=%d contexts=%d mappings=%d broken=",
            tallied(COUNT_CALLS), tallied(COUNT_SUBMITS), tallied(COUNT_COMPLETIONS), tallied(COUNT_CANCELS), tallied(COUNT_ALTERED),
            transfers_left(), handles_left(), contexts_left(), mappings_left());
    const char *separator = "";
    for (int rule = 0; rule < RULE_COUNT; rule++) {
        if (times_broken[rule] > 0) {
            dprintf(file, "%s%s:%d", separator, rules[rule].name, times_broken[rule]);
            separator = ",";
        }
    }
    dprintf(file, "\n");
    close(file);
}

void broken(enum rule rule, const char *function, const char *format, ...)
{
    times_broken[rule]++;
    if (is_allowed(rules[rule].name)) return;
    va_list arguments;
    va_start(arguments, format);
    char details[256];
    vsnprintf(details, sizeof details, format, arguments);
    va_end(arguments);
    fprintf(stderr, "shim: %s: %s (%s: %s)\n", rules[rule].name, rules[rule].text, function, details);
    write_report();
    abort();
}

/* Other threads may still be in calls: what is counted is the moment. */
__attribute__((destructor)) static void at_exit(void)
{
    objects_lock();
    write_report();
    objects_unlock();
}
