/*
 * The functions of libusb 1.0.26, by what is checked before they are forwarded. F(type, name, parameters, arguments); the CUSTOM ones, C(name), are
 * written out in forward.c. Later functions are not exported, as a libusb 1.0.26 does not have them.
 */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <libusb-1.0/libusb.h>

/* Nothing is checked. */
#define PLAIN_FUNCTIONS(F) \
    F(const struct libusb_version *, get_version, (void), ()) \
    F(int, has_capability, (uint32_t capability), (capability)) \
    F(const char *, error_name, (int code), (code)) \
    F(int, setlocale, (const char *locale), (locale)) \
    F(const char *, strerror, (int code), (code)) \
    F(void, free_config_descriptor, (struct libusb_config_descriptor *config), (config)) \
    F(int, get_ss_endpoint_companion_descriptor, \
      (libusb_context *context, const struct libusb_endpoint_descriptor *endpoint, struct libusb_ss_endpoint_companion_descriptor **companion), \
      (context, endpoint, companion)) \
    F(void, free_ss_endpoint_companion_descriptor, (struct libusb_ss_endpoint_companion_descriptor *companion), (companion)) \
    F(void, free_bos_descriptor, (struct libusb_bos_descriptor *bos), (bos)) \
    F(int, get_usb_2_0_extension_descriptor, \
      (libusb_context *context, struct libusb_bos_dev_capability_descriptor *capability, struct libusb_usb_2_0_extension_descriptor **extension), \
      (context, capability, extension)) \
    F(void, free_usb_2_0_extension_descriptor, (struct libusb_usb_2_0_extension_descriptor *extension), (extension)) \
    F(int, get_ss_usb_device_capability_descriptor, \
      (libusb_context *context, struct libusb_bos_dev_capability_descriptor *capability, struct libusb_ss_usb_device_capability_descriptor **found), \
      (context, capability, found)) \
    F(void, free_ss_usb_device_capability_descriptor, (struct libusb_ss_usb_device_capability_descriptor *capability), (capability)) \
    F(int, get_container_id_descriptor, \
      (libusb_context *context, struct libusb_bos_dev_capability_descriptor *capability, struct libusb_container_id_descriptor **found), \
      (context, capability, found)) \
    F(void, free_container_id_descriptor, (struct libusb_container_id_descriptor *container), (container)) \
    F(void, transfer_set_stream_id, (struct libusb_transfer *transfer, uint32_t stream), (transfer, stream)) \
    F(uint32_t, transfer_get_stream_id, (struct libusb_transfer *transfer), (transfer)) \
    F(void, free_pollfds, (const struct libusb_pollfd **pollfds), (pollfds)) \
    F(void, free_device_list, (libusb_device **list, int unreference), (list, unreference))

/* The device's context must exist. */
#define DEVICE_FUNCTIONS(F) \
    F(libusb_device *, ref_device, (libusb_device *device), (device)) \
    F(void, unref_device, (libusb_device *device), (device)) \
    F(int, get_device_descriptor, (libusb_device *device, struct libusb_device_descriptor *descriptor), (device, descriptor)) \
    F(int, get_active_config_descriptor, (libusb_device *device, struct libusb_config_descriptor **config), (device, config)) \
    F(int, get_config_descriptor, (libusb_device *device, uint8_t index, struct libusb_config_descriptor **config), (device, index, config)) \
    F(int, get_config_descriptor_by_value, (libusb_device *device, uint8_t value, struct libusb_config_descriptor **config), (device, value, config)) \
    F(uint8_t, get_bus_number, (libusb_device *device), (device)) \
    F(uint8_t, get_port_number, (libusb_device *device), (device)) \
    F(int, get_port_numbers, (libusb_device *device, uint8_t *ports, int length), (device, ports, length)) \
    F(libusb_device *, get_parent, (libusb_device *device), (device)) \
    F(uint8_t, get_device_address, (libusb_device *device), (device)) \
    F(int, get_device_speed, (libusb_device *device), (device)) \
    F(int, get_max_packet_size, (libusb_device *device, unsigned char endpoint), (device, endpoint)) \
    F(int, get_max_iso_packet_size, (libusb_device *device, unsigned char endpoint), (device, endpoint))

/* The context must exist, and stays in use during the call. */
#define CONTEXT_FUNCTIONS(F) \
    F(int, try_lock_events, (libusb_context *context), (context)) \
    F(int, event_handling_ok, (libusb_context *context), (context)) \
    F(int, event_handler_active, (libusb_context *context), (context)) \
    F(int, wait_for_event, (libusb_context *context, struct timeval *limit), (context, limit)) \
    F(int, pollfds_handle_timeouts, (libusb_context *context), (context)) \
    F(int, get_next_timeout, (libusb_context *context, struct timeval *next), (context, next)) \
    F(const struct libusb_pollfd **, get_pollfds, (libusb_context *context), (context)) \
    F(int, hotplug_register_callback, \
      (libusb_context *context, int events, int flags, int vendor, int product, int class, libusb_hotplug_callback_fn callback, void *data, \
       libusb_hotplug_callback_handle *handle), \
      (context, events, flags, vendor, product, class, callback, data, handle)) \
    F(void *, hotplug_get_user_data, (libusb_context *context, libusb_hotplug_callback_handle handle), (context, handle))

/* The same, of those that answer nothing. */
#define VOID_CONTEXT_FUNCTIONS(F) \
    F(void, set_debug, (libusb_context *context, int level), (context, level)) \
    F(void, set_log_cb, (libusb_context *context, libusb_log_cb callback, int mode), (context, callback, mode)) \
    F(void, lock_events, (libusb_context *context), (context)) \
    F(void, unlock_events, (libusb_context *context), (context)) \
    F(void, interrupt_event_handler, (libusb_context *context), (context)) \
    F(void, lock_event_waiters, (libusb_context *context), (context)) \
    F(void, unlock_event_waiters, (libusb_context *context), (context)) \
    F(void, set_pollfd_notifiers, \
      (libusb_context *context, libusb_pollfd_added_cb added, libusb_pollfd_removed_cb removed, void *data), (context, added, removed, data)) \
    F(void, hotplug_deregister_callback, (libusb_context *context, libusb_hotplug_callback_handle handle), (context, handle))

/* As CONTEXT_FUNCTIONS, not inside a callback, and with orders. */
#define PUMP_FUNCTIONS(F) \
    F(int, handle_events, (libusb_context *context), (context)) \
    F(int, handle_events_completed, (libusb_context *context, int *completed), (context, completed)) \
    F(int, handle_events_timeout, (libusb_context *context, struct timeval *limit), (context, limit)) \
    F(int, handle_events_timeout_completed, (libusb_context *context, struct timeval *limit, int *completed), (context, limit, completed)) \
    F(int, handle_events_locked, (libusb_context *context, struct timeval *limit), (context, limit))

/* The handle must be open, and stays in use during the call. */
#define HANDLE_FUNCTIONS(F) \
    F(int, get_configuration, (libusb_device_handle *handle, int *configuration), (handle, configuration)) \
    F(libusb_device *, get_device, (libusb_device_handle *handle), (handle)) \
    F(int, alloc_streams, (libusb_device_handle *handle, uint32_t streams, unsigned char *endpoints, int count), (handle, streams, endpoints, count)) \
    F(int, free_streams, (libusb_device_handle *handle, unsigned char *endpoints, int count), (handle, endpoints, count)) \
    F(int, kernel_driver_active, (libusb_device_handle *handle, int number), (handle, number)) \
    F(int, set_auto_detach_kernel_driver, (libusb_device_handle *handle, int enable), (handle, enable))

/* The same, not inside a callback. */
#define BLOCKING_FUNCTIONS(F) \
    F(int, get_bos_descriptor, (libusb_device_handle *handle, struct libusb_bos_descriptor **bos), (handle, bos)) \
    F(int, claim_interface, (libusb_device_handle *handle, int number), (handle, number)) \
    F(int, detach_kernel_driver, (libusb_device_handle *handle, int number), (handle, number)) \
    F(int, attach_kernel_driver, (libusb_device_handle *handle, int number), (handle, number)) \
    F(int, get_string_descriptor_ascii, (libusb_device_handle *handle, uint8_t index, unsigned char *text, int length), (handle, index, text, length)) \
    F(int, control_transfer, \
      (libusb_device_handle *handle, uint8_t type, uint8_t request, uint16_t value, uint16_t index, unsigned char *data, uint16_t length, unsigned int timeout), \
      (handle, type, request, value, index, data, length, timeout)) \
    F(int, bulk_transfer, \
      (libusb_device_handle *handle, unsigned char endpoint, unsigned char *data, int length, int *transferred, unsigned int timeout), \
      (handle, endpoint, data, length, transferred, timeout)) \
    F(int, interrupt_transfer, \
      (libusb_device_handle *handle, unsigned char endpoint, unsigned char *data, int length, int *transferred, unsigned int timeout), \
      (handle, endpoint, data, length, transferred, timeout))

/* The same, with nothing posted on the handle. */
#define CHANGING_FUNCTIONS(F) \
    F(int, release_interface, (libusb_device_handle *handle, int number), (handle, number)) \
    F(int, set_interface_alt_setting, (libusb_device_handle *handle, int number, int setting), (handle, number, setting)) \
    F(int, set_configuration, (libusb_device_handle *handle, int configuration), (handle, configuration))

#define CUSTOM_FUNCTIONS(C) \
    C(init) C(exit) C(set_option) C(get_device_list) C(get_port_path) C(open) C(wrap_sys_device) C(open_device_with_vid_pid) C(close) \
    C(clear_halt) C(reset_device) C(dev_mem_alloc) C(dev_mem_free) \
    C(alloc_transfer) C(free_transfer) C(submit_transfer) C(cancel_transfer)

#define ALL_FUNCTIONS(F, C) \
    PLAIN_FUNCTIONS(F) DEVICE_FUNCTIONS(F) CONTEXT_FUNCTIONS(F) VOID_CONTEXT_FUNCTIONS(F) PUMP_FUNCTIONS(F) \
    HANDLE_FUNCTIONS(F) BLOCKING_FUNCTIONS(F) CHANGING_FUNCTIONS(F) CUSTOM_FUNCTIONS(C)

#endif
