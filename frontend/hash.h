/* hash.h: what `#` prints under --debug-hash.  hash.c. */
#ifndef BFOPT_FRONTEND_HASH_H
#define BFOPT_FRONTEND_HASH_H

struct rt;
struct source;

/* Makes rt->hash print to standard error: position, pointer and the cells around it. */
void hash_install(struct rt *rt, struct source *s);

#endif
