/* A clock that only goes forward. */
#ifndef BPI_STOPWATCH_H
#define BPI_STOPWATCH_H

#include <stdint.h>
#include <time.h>

static inline int64_t bpi_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
