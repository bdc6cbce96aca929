/* What shim_order asked for, as the calls look at it. */
#ifndef ORDERS_H
#define ORDERS_H

#include "shim.h"

struct verdict {
    int is_altered;
    int action; /* enum shim_action */
    int code, length;
};

/* A call is at a point: what becomes of it. Waits here at a gate. */
struct verdict order_for(enum shim_point point);

#endif
