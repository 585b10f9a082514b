/* names.c: lists of names with commas between. */
#include "runtime/names.h"

#include <string.h>

bool names_next(const char **list, struct name *n) {
    if (*list == NULL || **list == '\0')
        return false;
    n->p = *list;
    n->len = strcspn(n->p, ",");
    *list += n->len + (n->p[n->len] == ',');
    return true;
}

bool name_is(struct name n, const char *s) {
    return strlen(s) == n.len && memcmp(n.p, s, n.len) == 0;
}

bool names_have(const char *list, const char *s) {
    struct name n;
    while (names_next(&list, &n))
        if (name_is(n, s))
            return true;
    return false;
}
