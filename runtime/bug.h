/* bug.h: the report of an error in bfopt itself.  bug.c.  Never used for errors of the user. */
#ifndef BFOPT_RUNTIME_BUG_H
#define BFOPT_RUNTIME_BUG_H

/* Prints "bfopt: internal error: ..." and aborts. */
_Noreturn void bug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
