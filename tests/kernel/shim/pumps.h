/* The threads that handle events just now. */
#ifndef PUMPS_H
#define PUMPS_H

void pump_enter(void);
void pump_leave(void);

#endif
