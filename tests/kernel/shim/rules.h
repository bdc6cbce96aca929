/* What a user of libusb must not do. RULE(identifier, name, text): the name is what SHIM_ALLOW and the reports use. */
#ifndef RULES_H
#define RULES_H

#define RULES(RULE) \
    RULE(FREE_POSTED, "free-posted", "a transfer is freed while it is posted") \
    RULE(FREE_IN_USE, "free-in-use", "a transfer is freed while another thread submits or cancels it") \
    RULE(FREE_TWICE, "free-twice", "a transfer is freed that was freed before, or never allocated") \
    RULE(SUBMIT_POSTED, "submit-posted", "a transfer is submitted that is posted already") \
    RULE(SUBMIT_FREED, "submit-freed", "a transfer is submitted that was freed, or never allocated") \
    RULE(CANCEL_FREED, "cancel-freed", "a transfer is cancelled that was freed, or never allocated") \
    RULE(CANCEL_UNSUBMITTED, "cancel-unsubmitted", "a transfer is cancelled that was never submitted") \
    RULE(CANCEL_CLOSED, "cancel-closed", "a transfer is cancelled whose handle was closed under it") \
    RULE(BUFFER_SHARED, "buffer-shared", "a buffer is posted in two transfers at once") \
    RULE(BUFFER_WRITTEN, "buffer-written", "a posted buffer was written to by somebody else than the device") \
    RULE(MEMORY_POSTED, "memory-posted", "device memory is freed while a transfer is posted in it") \
    RULE(MEMORY_UNKNOWN, "memory-unknown", "device memory is freed twice, through another handle, or with another length") \
    RULE(MEMORY_PARTLY, "memory-partly", "a transfer reaches over the edge of its device memory") \
    RULE(MEMORY_OPEN, "memory-open", "a handle is closed before its device memory is freed") \
    RULE(HANDLE_CLOSED, "handle-closed", "a call is made with a handle that was closed, or never opened") \
    RULE(CLOSE_POSTED, "close-posted", "a handle is closed while transfers are posted") \
    RULE(CLOSE_IN_USE, "close-in-use", "a handle is closed while another thread is in a call with it") \
    RULE(CONTEXT_EXITED, "context-exited", "a call is made in a context that was exited, or never initialised") \
    RULE(EXIT_OPEN, "exit-open", "a context is exited while devices are open in it") \
    RULE(EXIT_IN_USE, "exit-in-use", "a context is exited while another thread is in a call with it") \
    RULE(CLEAR_POSTED, "clear-posted", "a halt is cleared while transfers are posted at the endpoint") \
    RULE(CHANGE_POSTED, "change-posted", "an interface is released or changed, or a device configured, while transfers are posted") \
    RULE(RESET_POSTED, "reset-posted", "a device is reset while transfers are posted") \
    RULE(BLOCKS_CALLBACK, "blocks-callback", "a call that blocks is made inside a completion callback")

#define RULE_IDENTIFIER(identifier, name, text) RULE_##identifier,
enum rule { RULES(RULE_IDENTIFIER) RULE_COUNT };
#undef RULE_IDENTIFIER

#endif
