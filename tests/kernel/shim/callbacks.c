#include "callbacks.h"
#include "objects.h"
#include "report.h"

static _Thread_local int depth;

void callback_begin(void) { depth++; }

void callback_end(void) { depth--; }

void callback_must_not_block(const char *function)
{
    if (depth == 0) return;
    objects_lock();
    broken(RULE_BLOCKS_CALLBACK, function, "it would wait for the callback to return");
    objects_unlock();
}
