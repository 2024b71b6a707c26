/* Moving elements between arrays of different strides: permute, expand, slice and pad. */
#ifndef BPI_KERNEL_COPY_H
#define BPI_KERNEL_COPY_H

#include <backprop/base.h>

/* Which elements go where: element (i0, i1, ...) of a box of `size` moves from x[Σ ik from[k]] to
 * y[Σ ik to[k]]. Strides are in elements; a `from` of 0 repeats. Different elements go to different
 * places, and x and y do not overlap. */
typedef struct bpi_move {
    int rank;
    int64_t size[BP_MAX_RANK];
    int64_t from[BP_MAX_RANK];
    int64_t to[BP_MAX_RANK];
} bpi_move;

/* Fills `stride` with the strides of a contiguous array of that shape. */
void bpi_strides(const bp_shape *shape, int64_t *stride);
/* Returns the place of element number `index` (row-major) of a box with those strides. */
int64_t bpi_place(int rank, const int64_t *size, const int64_t *stride, int64_t index);

/* Moves elements of `item` bytes: 1, 4 or 8. The reference takes one at a time. */
void bpi_move_reference(const bpi_move *move, size_t item, const void *x, void *y);
void bpi_move_fast(const bpi_move *move, size_t item, const void *x, void *y);

#endif
