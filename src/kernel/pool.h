/* The pool of threads: one per process, made on first need, asleep when there is nothing to do. */
#ifndef BPI_KERNEL_POOL_H
#define BPI_KERNEL_POOL_H

#include <stdbool.h>
#include <stdint.h>

/* Calls piece(context, index) for every index 0 <= index < pieces, on the calling thread and at
 * most threads - 1 of the pool, and returns when all have run. Which thread runs which piece is not
 * determined, so a piece's result must not depend on it. The caller runs all pieces itself where
 * the pool is busy (another thread is in this function, or this is called from within a piece) or
 * no thread can be made. */
void bpi_pool_run(int threads, int pieces, void (*piece)(void *context, int index), void *context);

/* Calls part(context, first, n) for parts of 0 .. count, on at most `threads` threads (0: as many as
 * are worth it) where there is enough to do. Parts depend on the numbers alone; all but the last one
 * are multiples of `unit` elements where that is at most 32,768. */
void bpi_pool_sweep(int threads, int64_t count, int64_t unit,
                    void (*part)(void *context, int64_t first, int64_t n), void *context);

/* Returns how many threads are worth using: the physical cores that the process may run on, by its
 * affinity and by the CPU quota of its control groups; at least 1. */
int bpi_pool_default_threads(void);
/* Tells whether help has lately cost more time than it saved, as it does where other processes keep
 * the cores busy: for a while it is not worth asking for. */
bool bpi_pool_rests(void);
/* Returns `wanted`, or the default where it is 0; 1 while the pool rests. */
int bpi_pool_threads(int wanted);

#endif
