/* Whether this thread is inside a completion callback. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

void callback_begin(void);
void callback_end(void);

/* Breaks a rule inside a callback. */
void callback_must_not_block(const char *function);

#endif
