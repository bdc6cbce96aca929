/* Transfers and the buffers they are posted with. */
#ifndef TRANSFERS_H
#define TRANSFERS_H

#include <libusb-1.0/libusb.h>

enum { ANY_ENDPOINT = -1 };

/* What a bulk or interrupt IN transfer's buffer is filled with while it is posted: nobody may read it then, and what the device does not overwrite must stay. */
enum { POISON = 0xA5 };

void transfer_allocated(struct libusb_transfer *transfer);
void transfer_freeing(struct libusb_transfer *transfer, const char *function);

/* Before the submit: from now on it counts as posted, and completed is called instead of its callback. */
void transfer_submitting(struct libusb_transfer *transfer, libusb_transfer_cb_fn completed, const char *function);

/* After the submit, with what it answered. */
void transfer_submitted(struct libusb_transfer *transfer, int code);

/* Before and after a cancel. Between them the transfer is in use. */
void transfer_cancelling(struct libusb_transfer *transfer, const char *function);
void transfer_cancelled(struct libusb_transfer *transfer);

/* libusb is done with it: looks whether its buffer is as it must be. */
void transfer_verify(const struct libusb_transfer *transfer);

/* Tells its user: it is not posted any more, and its callback runs. */
void transfer_tell(struct libusb_transfer *transfer);

/* The handle is being closed: what is still posted will never be told. With the objects' lock held. */
void transfers_orphan(libusb_device_handle *handle);

/* Transfers posted on a handle, at one endpoint or any. With the objects' lock held. */
int transfers_posted(libusb_device_handle *handle, int endpoint);

/* A transfer posted with bytes of a range, or NULL. With the objects' lock held. */
const void *transfer_posted_in(const unsigned char *start, size_t length);

/* Transfers allocated and not freed. With the objects' lock held. */
int transfers_left(void);

/* True for a bulk or interrupt IN transfer. */
int transfer_is_in(const struct libusb_transfer *transfer);

#endif
