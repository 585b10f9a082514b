/* names.h: lists of names with commas between, as options have them.  names.c. */
#ifndef BFOPT_RUNTIME_NAMES_H
#define BFOPT_RUNTIME_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct name {
    const char *p; /* not NUL-terminated */
    size_t len;
};

/* Takes the first name off *list, which becomes what is behind it; false if there is none.  NULL is
 * an empty list. */
bool names_next(const char **list, struct name *n);
bool name_is(struct name n, const char *s);
/* Is s in the list? */
bool names_have(const char *list, const char *s);

#endif
