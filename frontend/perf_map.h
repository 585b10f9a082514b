/* perf_map.h: names for machine code in `perf report`.  perf_map.c. */
#ifndef BFOPT_FRONTEND_PERF_MAP_H
#define BFOPT_FRONTEND_PERF_MAP_H

#include <stdint.h>

#include "frontend/source.h"

/* Adds code, made of the loop at `src`, to /tmp/perf-PID.map.  Only the first failure is
 * reported. */
void perf_map_add(const void *code, uint32_t size, struct source *s, uint32_t src);

#endif
