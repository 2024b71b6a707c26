/* Placing buffers with known lifetimes in one block of memory. */
#ifndef BPI_PLAN_OFFSETS_H
#define BPI_PLAN_OFFSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bpi_buffer {
    size_t bytes, offset;
    uint32_t first, last; /* steps, both included */
} bpi_buffer;

/* Fills in the offsets. `*total` is the size of the block; `*bound` the least that any placement
 * needs: the largest sum of what lives at one step. `steps` is larger than any step. False
 * without memory. */
bool bpi_place_buffers(bpi_buffer *buffers, size_t count, size_t steps, size_t *total,
                       size_t *bound);

#endif
