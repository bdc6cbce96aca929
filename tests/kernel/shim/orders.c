#include "orders.h"
#include "report.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct order {
    int action, skip, count, code, length;
    struct order *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct order *orders[SHIM_POINTS];
static int at_gate, gates_opened;

void shim_order(int point, int action, int skip, int count, int code, int length)
{
    struct order *made = malloc(sizeof *made);
    if (made == NULL || point < 0 || point >= SHIM_POINTS) abort();
    *made = (struct order){.action = action, .skip = skip, .count = count, .code = code, .length = length};
    pthread_mutex_lock(&lock);
    struct order **last = &orders[point];
    while (*last != NULL) last = &(*last)->next;
    *last = made;
    pthread_mutex_unlock(&lock);
}

void shim_forget_orders(void)
{
    pthread_mutex_lock(&lock);
    for (int point = 0; point < SHIM_POINTS; point++) {
        while (orders[point] != NULL) {
            struct order *first = orders[point];
            orders[point] = first->next;
            free(first);
        }
    }
    pthread_mutex_unlock(&lock);
}

struct verdict order_for(enum shim_point point)
{
    struct verdict verdict = {0};
    pthread_mutex_lock(&lock);
    struct order *first = orders[point];
    if (first != NULL && first->skip > 0) first->skip--;
    else if (first != NULL) {
        verdict = (struct verdict){.is_altered = 1, .action = first->action, .code = first->code, .length = first->length};
        tally(COUNT_ALTERED);
        if (first->count > 0 && --first->count == 0) {
            orders[point] = first->next;
            free(first);
        }
    }
    if (verdict.is_altered && verdict.action == SHIM_GATE) {
        int opened = gates_opened;
        at_gate++;
        pthread_cond_broadcast(&changed);
        while (gates_opened == opened) pthread_cond_wait(&changed, &lock);
        at_gate--;
    }
    pthread_mutex_unlock(&lock);
    return verdict;
}

int shim_wait_gate(int milliseconds)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += milliseconds / 1000;
    end.tv_nsec += milliseconds % 1000 * 1000000L;
    if (end.tv_nsec >= 1000000000L) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&lock);
    while (at_gate == 0 && pthread_cond_timedwait(&changed, &lock, &end) != ETIMEDOUT) continue;
    int reached = at_gate > 0;
    pthread_mutex_unlock(&lock);
    return reached;
}

void shim_open_gate(void)
{
    pthread_mutex_lock(&lock);
    gates_opened++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}
