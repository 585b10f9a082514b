/* mapped.h: the text of a large file, mapped instead of read.  mapped.c. */
#ifndef BFOPT_FRONTEND_MAPPED_H
#define BFOPT_FRONTEND_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Files below this are read. */
#define MAPPED_LEAST ((size_t)1 << 20)

/* Maps n bytes of the file, with a NUL behind them; NULL: it has to be read.  One text at a time.
 * A byte that another process writes into the file may be seen, but the NUL is always there. */
uint8_t *mapped_open(int fd, size_t n);
void mapped_close(void);
/* Was a part of the text no longer there when it was asked for?  It reads as NULs since. */
bool mapped_lost(void);

#endif
