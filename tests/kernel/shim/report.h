/* Counts, broken rules, and the line that tells of them at the process's end. */
#ifndef REPORT_H
#define REPORT_H

#include "rules.h"

enum counter { COUNT_CALLS, COUNT_SUBMITS, COUNT_COMPLETIONS, COUNT_CANCELS, COUNT_ALTERED, COUNTERS };

void tally(enum counter counter);

/* A rule is broken: ends the process with a message that names it, or counts it where SHIM_ALLOW has it. With the objects' lock held. */
void broken(enum rule rule, const char *function, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
