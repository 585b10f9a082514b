/* sandbox.h: gives up what a run does not need.  sandbox.c.
 *
 *   code_memory_lock (code_memory.h)   from now on nothing becomes executable
 *   sandbox_enter                      from now on only reading, writing and ending
 */
#ifndef BFOPT_RUNTIME_SANDBOX_H
#define BFOPT_RUNTIME_SANDBOX_H

#include <stdbool.h>

/* Lets this process, until it ends, make only the system calls of a run: reading and writing open
 * descriptors, waiting for them, closing them, giving memory back or taking some that cannot be
 * executed, restoring signal handlers, ending.  Any other call kills it (SIGSYS).
 * False, and errno: the kernel, or this kind of machine, has no filters. */
bool sandbox_enter(void);

#endif
