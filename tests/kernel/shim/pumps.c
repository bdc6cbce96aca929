#define _GNU_SOURCE
#include "pumps.h"
#include "report.h"
#include "shim.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { MOST = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_t pumps[MOST];
static int count;

void pump_enter(void)
{
    pthread_mutex_lock(&lock);
    if (count == MOST) abort();
    pumps[count++] = pthread_self();
    pthread_mutex_unlock(&lock);
}

void pump_leave(void)
{
    pthread_mutex_lock(&lock);
    int index = 0;
    while (!pthread_equal(pumps[index], pthread_self())) index++;
    pumps[index] = pumps[--count];
    pthread_mutex_unlock(&lock);
}

/* Not the first real-time signals, which C library and runtime take for themselves. */
static int interruption(void) { return SIGRTMIN + 7; }

static void ignore(int number) { (void)number; }

static void install(void)
{
    /* Without SA_RESTART, though a poll ends in any case. */
    struct sigaction action = {.sa_handler = ignore};
    sigaction(interruption(), &action, NULL);
}

int shim_interrupt_pumps(void)
{
    pthread_once(&once, install);
    pthread_mutex_lock(&lock);
    for (int index = 0; index < count; index++) {
        pthread_kill(pumps[index], interruption());
        tally(COUNT_ALTERED);
    }
    int interrupted = count;
    pthread_mutex_unlock(&lock);
    return interrupted;
}
