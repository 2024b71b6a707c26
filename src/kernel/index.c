/* Gathering and scattering by index, one-hot rows. They are bound by memory: the references are
 * what runs. */
#include "index.h"

#include <string.h>

#include "map_names.inc"

int64_t bpi_index_at(const bpi_indices *index, int64_t k) {
    return index->dtype == BP_I32 ? ((const int32_t *)index->data)[k]
                                  : ((const int64_t *)index->data)[k];
}

int64_t bpi_index_bad(const bpi_indices *index, int64_t size) {
    for (int64_t k = 0; k < index->count; k++)
        if (bpi_index_at(index, k) < 0 || bpi_index_at(index, k) >= size)
            return k;
    return -1;
}

void bpi_gather(const bpi_indices *index, int64_t outer, int64_t size, size_t bytes, const void *x,
                void *y) {
    char *to = y;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < index->count; k++, to += bytes)
            memcpy(to, (const char *)x + (o * size + bpi_index_at(index, k)) * (int64_t)bytes,
                   bytes);
}

#define IN float
#define SUFFIX f32
#include "index_add.inc"
#define IN double
#define SUFFIX f64
#include "index_add.inc"
#define IN uint32_t
#define SUFFIX i32
#include "index_add.inc"
#define IN uint64_t
#define SUFFIX i64
#include "index_add.inc"

void bpi_scatter_add(const bpi_indices *index, int64_t outer, int64_t size, int64_t inner,
                     bp_dtype dtype, const void *x, void *y) {
    static void (*const adds[])(int64_t, const void *, void *) = SIGNED(add);
    int64_t bytes = inner * (int64_t)bp_dtype_size(dtype);
    const char *from = x;
    memset(y, 0, (size_t)(outer * size * bytes));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < index->count; k++, from += bytes)
            adds[dtype](inner, from, (char *)y + (o * size + bpi_index_at(index, k)) * bytes);
}

void bpi_one_hot(const bpi_indices *index, int64_t classes, bp_dtype dtype, void *y) {
    static const union {
        float f32;
        double f64;
        int32_t i32;
        int64_t i64;
        uint8_t u8;
    } one[] = {{.f32 = 1}, {.f64 = 1}, {.i32 = 1}, {.i64 = 1}, {.u8 = 1}, {.u8 = 1}};
    size_t item = bp_dtype_size(dtype);
    memset(y, 0, (size_t)(index->count * classes) * item);
    for (int64_t k = 0; k < index->count; k++)
        memcpy((char *)y + (k * classes + bpi_index_at(index, k)) * (int64_t)item, &one[dtype],
               item);
}
