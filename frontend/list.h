/* list.h: the table of the IR's operations as text, for --list-ops.  list.c. */
#ifndef BFOPT_FRONTEND_LIST_H
#define BFOPT_FRONTEND_LIST_H

struct text;

void list_ops(struct text *out);

#endif
