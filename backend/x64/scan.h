/* scan.h: which scans have a stub that looks at many cells at once.  scan.c makes the stubs. */
#ifndef BFOPT_BACKEND_X64_SCAN_H
#define BFOPT_BACKEND_X64_SCAN_H

#include <stdbool.h>
#include <stdint.h>

/* The longest stride, in bytes, of a stub that scans, and the labels of each. */
#define X64_SCAN_MAX    8
#define X64_SCAN_PLACES 6

/* Is there a stub for scans by this stride, in bytes? */
bool x64_scan_helps(unsigned cell_bits, int64_t stride);

#endif
