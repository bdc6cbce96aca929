#include "untold.h"
#include "shim.h"
#include "transfers.h"
#include <pthread.h>

enum { MOST = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct libusb_transfer *held[MOST];
static int holding, swallowed;

void untold_keep(struct libusb_transfer *transfer, int is_released)
{
    pthread_mutex_lock(&lock);
    if (is_released && holding < MOST) held[holding++] = transfer;
    else swallowed++;
    pthread_mutex_unlock(&lock);
}

static struct libusb_transfer *take(void)
{
    pthread_mutex_lock(&lock);
    struct libusb_transfer *oldest = NULL;
    if (holding > 0) {
        oldest = held[0];
        holding--;
        for (int index = 0; index < holding; index++) held[index] = held[index + 1];
    }
    pthread_mutex_unlock(&lock);
    return oldest;
}

int shim_release(void)
{
    int told = 0;
    for (struct libusb_transfer *next = take(); next != NULL; next = take(), told++) transfer_tell(next);
    return told;
}

int shim_untold(void)
{
    pthread_mutex_lock(&lock);
    int untold = holding + swallowed;
    pthread_mutex_unlock(&lock);
    return untold;
}
