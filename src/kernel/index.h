/* Gathering and scattering by index, one-hot rows. */
#ifndef BPI_KERNEL_INDEX_H
#define BPI_KERNEL_INDEX_H

#include <backprop/base.h>

/* Indices: i32 or i64. */
typedef struct bpi_indices {
    const void *data;
    bp_dtype dtype;
    int64_t count;
} bpi_indices;

int64_t bpi_index_at(const bpi_indices *index, int64_t k);
/* Returns the number of the first index that is not in 0..size-1; -1 when all are. */
int64_t bpi_index_bad(const bpi_indices *index, int64_t size);

/* x[outer][size][bytes] to y[outer][count][bytes], by index. The indices are in range. */
void bpi_gather(const bpi_indices *index, int64_t outer, int64_t size, size_t bytes, const void *x,
                void *y);
/* Adds x[outer][count][inner] into y[outer][size][inner], which is cleared first; in the order of
 * the indices. f32, f64, i32 or i64. */
void bpi_scatter_add(const bpi_indices *index, int64_t outer, int64_t size, int64_t inner,
                     bp_dtype dtype, const void *x, void *y);
/* y[count][classes]: 1 at the index, 0 elsewhere; of any dtype. */
void bpi_one_hot(const bpi_indices *index, int64_t classes, bp_dtype dtype, void *y);

#endif
