/*
 * A libusb-1.0 between a program and the real one. It forwards every call, ends the process at the first call that breaks a rule (rules.h), and
 * alters on demand what libusb answers.
 *
 * Environment:
 *   SHIM_LIBUSB  the real library's path; default real.so beside the shim
 *   SHIM_ALLOW   rules, separated by commas, that may be broken: counted instead
 *   SHIM_REPORT  a file to which every process adds one line at its end (report.c)
 */
#ifndef SHIM_H
#define SHIM_H

#define SHIM_EXPORT __attribute__((visibility("default")))

/* Where an order takes effect. Submits, cancels and completions are those of bulk and interrupt IN transfers only. */
enum shim_point {
    SHIM_ALLOC_TRANSFER,
    SHIM_SUBMIT,
    SHIM_CANCEL,
    SHIM_CLEAR_HALT,
    SHIM_MEMORY_ALLOC,
    SHIM_HANDLE_EVENTS,
    SHIM_COMPLETION,
    SHIM_POINTS,
};

enum shim_action {
    SHIM_ANSWER,       /* answers the code (or NULL) without calling libusb */
    SHIM_ANSWER_AFTER, /* calls libusb, and answers the code whatever libusb did */
    SHIM_GATE,         /* waits before the call until shim_open_gate */
    SHIM_SWALLOW,      /* a completion: it is never told */
    SHIM_HOLD,         /* a completion: it is told by shim_release */
    SHIM_ALTER,        /* a completion: its status becomes the code and its length the length, each unless it is SHIM_AS_IS */
};

enum { SHIM_AS_IS = -1000, SHIM_FOR_EVER = -1 };

/* Orders an alteration: lets skip calls at a point pass, then alters count of them. Orders at one point are carried out one after the other. */
SHIM_EXPORT void shim_order(int point, int action, int skip, int count, int code, int length);

/* Takes back every order that is not carried out yet. */
SHIM_EXPORT void shim_forget_orders(void);

/* Waits until a call stands at a gate. 0: none did within the time. */
SHIM_EXPORT int shim_wait_gate(int milliseconds);

/* Lets the calls at the gate go on. */
SHIM_EXPORT void shim_open_gate(void);

/* Tells the completions held so far, on this thread. Answers how many. */
SHIM_EXPORT int shim_release(void);

/* Completions swallowed or held so far and not told. */
SHIM_EXPORT int shim_untold(void);

/* Interrupts every thread that handles events by a signal. Answers how many there are. */
SHIM_EXPORT int shim_interrupt_pumps(void);

/* Calls and events so far, by what report.h counts. */
SHIM_EXPORT long shim_count(int counter);

#endif
