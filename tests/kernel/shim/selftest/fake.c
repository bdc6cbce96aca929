/*
 * A libusb with one device and no bus: a posted transfer stays posted until it is cancelled or told to complete, and calls are answered at once. It
 * checks nothing: whatever the shim lets through is harmless here, so that a rule that does not fire shows as a test that goes on.
 */
#include <libusb-1.0/libusb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64, COMPLETED_BYTES = 100 };

static char the_context, the_device;
static struct libusb_transfer *posted[MOST], *done[MOST];
static int posted_count, done_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t happened = PTHREAD_COND_INITIALIZER;
static int interrupted;

int libusb_init(libusb_context **context)
{
    if (context != NULL) *context = (libusb_context *)&the_context;
    return LIBUSB_SUCCESS;
}

void libusb_exit(libusb_context *context) { (void)context; }

ssize_t libusb_get_device_list(libusb_context *context, libusb_device ***list)
{
    (void)context;
    *list = calloc(2, sizeof **list);
    (*list)[0] = (libusb_device *)&the_device;
    return 1;
}

void libusb_free_device_list(libusb_device **list, int unreference)
{
    (void)unreference;
    free(list);
}

uint8_t libusb_get_bus_number(libusb_device *device)
{
    (void)device;
    return 1;
}

int libusb_open(libusb_device *device, libusb_device_handle **handle)
{
    (void)device;
    *handle = malloc(16);
    return LIBUSB_SUCCESS;
}

/* Never freed: a closed handle's address stays its own. */
void libusb_close(libusb_device_handle *handle) { (void)handle; }

int libusb_claim_interface(libusb_device_handle *handle, int number)
{
    (void)handle, (void)number;
    return LIBUSB_SUCCESS;
}

int libusb_release_interface(libusb_device_handle *handle, int number)
{
    (void)handle, (void)number;
    return LIBUSB_SUCCESS;
}

int libusb_clear_halt(libusb_device_handle *handle, unsigned char endpoint)
{
    (void)handle, (void)endpoint;
    return LIBUSB_SUCCESS;
}

int libusb_reset_device(libusb_device_handle *handle)
{
    (void)handle;
    return LIBUSB_SUCCESS;
}

int libusb_control_transfer(libusb_device_handle *handle, uint8_t type, uint8_t request, uint16_t value, uint16_t index, unsigned char *data, uint16_t length, unsigned int timeout)
{
    (void)handle, (void)type, (void)request, (void)value, (void)index, (void)data, (void)timeout;
    return length;
}

/* Downwards, and from the start again when all is freed: a system maps again where it unmapped, in other pieces. */
static unsigned char pages[1 << 20];
static size_t used;
static int mapped;

unsigned char *libusb_dev_mem_alloc(libusb_device_handle *handle, size_t length)
{
    (void)handle;
    used += length;
    if (used > sizeof pages) abort();
    mapped++;
    return pages + sizeof pages - used;
}

int libusb_dev_mem_free(libusb_device_handle *handle, unsigned char *start, size_t length)
{
    (void)handle, (void)start, (void)length;
    if (mapped > 0 && --mapped == 0) used = 0;
    return LIBUSB_SUCCESS;
}

struct libusb_transfer *libusb_alloc_transfer(int packets)
{
    (void)packets;
    return calloc(1, sizeof(struct libusb_transfer));
}

/* Not freed either, for the same reason. */
void libusb_free_transfer(struct libusb_transfer *transfer) { (void)transfer; }

int libusb_submit_transfer(struct libusb_transfer *transfer)
{
    pthread_mutex_lock(&lock);
    posted[posted_count++] = transfer;
    pthread_mutex_unlock(&lock);
    return LIBUSB_SUCCESS;
}

/* With the lock held. */
static int finish(struct libusb_transfer *transfer, enum libusb_transfer_status status, int length)
{
    int index = 0;
    while (index < posted_count && posted[index] != transfer) index++;
    if (index == posted_count) return LIBUSB_ERROR_NOT_FOUND;
    posted[index] = posted[--posted_count];
    transfer->status = status;
    transfer->actual_length = length;
    done[done_count++] = transfer;
    pthread_cond_broadcast(&happened);
    return LIBUSB_SUCCESS;
}

int libusb_cancel_transfer(struct libusb_transfer *transfer)
{
    pthread_mutex_lock(&lock);
    int code = finish(transfer, LIBUSB_TRANSFER_CANCELLED, 0);
    pthread_mutex_unlock(&lock);
    return code;
}

/* The device's side: the transfer completes with some bytes. Called where the program would ask for a bus number of a device that is a transfer. */
uint8_t libusb_get_device_address(libusb_device *device)
{
    struct libusb_transfer *transfer = (struct libusb_transfer *)device;
    pthread_mutex_lock(&lock);
    int length = transfer->length < COMPLETED_BYTES ? transfer->length : COMPLETED_BYTES;
    if ((transfer->endpoint & LIBUSB_ENDPOINT_IN) != 0) memset(transfer->buffer, 1, (size_t)length);
    finish(transfer, LIBUSB_TRANSFER_COMPLETED, length);
    pthread_mutex_unlock(&lock);
    return 0;
}

/* Waits for a completion or an interruption, and tells what is done. */
int libusb_handle_events_completed(libusb_context *context, int *completed)
{
    (void)context, (void)completed;
    pthread_mutex_lock(&lock);
    while (done_count == 0 && !interrupted) pthread_cond_wait(&happened, &lock);
    interrupted = 0;
    while (done_count > 0) {
        struct libusb_transfer *first = done[0];
        done_count--;
        for (int index = 0; index < done_count; index++) done[index] = done[index + 1];
        pthread_mutex_unlock(&lock);
        first->callback(first);
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return LIBUSB_SUCCESS;
}

void libusb_interrupt_event_handler(libusb_context *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    interrupted = 1;
    pthread_cond_broadcast(&happened);
    pthread_mutex_unlock(&lock);
}
