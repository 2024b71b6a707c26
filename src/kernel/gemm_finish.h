/* What happens to a sum before it is stored in c; shared by the products of gemm_simd.c. */
#ifndef BPI_KERNEL_GEMM_FINISH_H
#define BPI_KERNEL_GEMM_FINISH_H

#include "gemm_simd.h"
#include "vec.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* With masks a part of a vector costs no more than the whole. */
enum { PARTS_ARE_FREE = BPI_VEC_BITS == 512 };

/* The first `count` lanes, count < LANES. */
static inline vec_mask first_lanes(int64_t count) {
#if BPI_VEC_BITS == 512
    return (vec_mask)((1u << count) - 1);
#elif BPI_VEC_BITS == 256
    return v_real(v_first((size_t)count));
#else
    static const real lanes[] = {0, 1, 2, 3};
    return v_less(v_load(lanes), v_set((real)count));
#endif
}

/* As bpi_finish; `moved` is the distance in bytes from an element of c to the one that it moves, 0
 * where there is none. */
typedef struct finish {
    real alpha, beta, rate;
    const real *bias;
    bool relu;
    intptr_t moved;
} finish;

static inline finish finish_of(const bpi_gemm_work *work) {
    const bpi_finish *f = work->finish;
    intptr_t moved = f->moved ? (intptr_t)f->moved - (intptr_t)work->c : 0;
    return (finish){(real)f->alpha, (real)f->beta, (real)f->rate, f->bias, f->relu, moved};
}

/* What becomes of sums: c is given them; they are added to c; to beta times c, and another array
 * may be moved; or all that a product can be finished with. */
enum outcome { GIVEN, ADDED, SCALED, ANYTHING };

static inline enum outcome outcome_of(const finish *f) {
    if (f->bias || f->relu || (f->moved && f->beta == 0))
        return ANYTHING;
    if (f->moved || (f->beta != 0 && f->beta != 1))
        return SCALED;
    return f->beta == 0 ? GIVEN : ADDED;
}

/* A vector at `at`, or its first `last` lanes with `part`. */
ALWAYS_INLINE vec read_vector(const real *at, bool part, size_t last) {
    return part ? v_load_part(at, last) : v_load(at);
}

ALWAYS_INLINE void write_vector(real *at, vec value, bool part, size_t last) {
    if (part)
        v_store_part(at, value, last);
    else
        v_store(at, value);
}

/* Adds the bias of column j and those behind it, and takes the relu. */
ALWAYS_INLINE vec decorate(const finish *f, vec value, int64_t j, bool part, size_t last) {
    if (f->bias)
        value = v_add(value, read_vector(f->bias + j, part, last));
    return f->relu ? v_max(v_set(0), value) : value;
}

/* What the element of c at `c` moves. */
ALWAYS_INLINE real *moved_by(const finish *f, const real *c) {
    return (real *)((intptr_t)c + f->moved);
}

/* Subtracts rate times a vector that has just been stored at c. */
ALWAYS_INLINE void move_by(const finish *f, vec value, const real *c, bool part, size_t last) {
    real *at = moved_by(f, c);
    write_vector(at, v_fnma(v_set(f->rate), value, read_vector(at, part, last)), part, last);
}

/* What a vector of c, and the one that it moves, held; anything where that is not read. */
typedef struct held {
    vec c, moved;
} held;

ALWAYS_INLINE held read_held(const finish *f, const real *c, bool part, size_t last) {
    held was = {v_set(0), v_set(0)};
    if (f->beta != 0)
        was.c = read_vector(c, part, last);
    if (f->moved)
        was.moved = read_vector(moved_by(f, c), part, last);
    return was;
}

/* Stores a vector, or its first `last` lanes with `part`, at c, which is column j of the bias, and
 * held `was`. */
ALWAYS_INLINE void store_onto(const finish *f, vec sum, held was, real *c, int64_t j, bool part,
                              size_t last) {
    vec value = v_mul(v_set(f->alpha), sum);
    if (f->beta != 0)
        value = v_fma(v_set(f->beta), was.c, value);
    value = decorate(f, value, j, part, last);
    write_vector(c, value, part, last);
    if (f->moved)
        write_vector(moved_by(f, c), v_fnma(v_set(f->rate), value, was.moved), part, last);
}

ALWAYS_INLINE void store_sum(const finish *f, vec sum, real *c, int64_t j, bool part, size_t last) {
    store_onto(f, sum, read_held(f, c, part, last), c, j, part, last);
}

/* ---- rows of sums ---------------------------------------------------------------------------- */

/* Sums of a few rows that are not in registers until they are finished: columns of c at a time, so
 * that they stay in the first cache, and from one row of sums to the next. */
enum { CHUNK = 4096 / (int)sizeof(real), NEXT_SUMS = CHUNK + LANES };

/* How many of the `left` columns are next: chunks as even as they can be. */
static inline int64_t chunk_of(int64_t left) {
    const int64_t chunks = (left + CHUNK - 1) / CHUNK;
    const int64_t width = ((left + chunks - 1) / chunks + LANES - 1) / LANES * LANES;
    return width < left ? width : left;
}

/* Steps of k that are summed up in one go: the longer a sum is, the more each of its additions
 * loses, so those of longer products are sums of sums. */
enum { SUMMED = 4096 };

/* Adds the first `count` of each row of `more` to those of `sums`. */
static inline void add_sums(real *sums, const real *more, int64_t rows, int64_t count) {
    for (int64_t i = 0; i < rows; i++, sums += NEXT_SUMS, more += NEXT_SUMS)
        for (int64_t j = 0; j < count; j++)
            sums[j] += more[j];
}

/* Finishes `count` sums of a row and stores them at c, which is column `column`. */
static __attribute__((noinline)) void finish_row(const finish *f, const real *sums, int64_t column,
                                                 int64_t count, real *c) {
    int64_t j = 0;
    for (; j + LANES <= count; j += LANES)
        store_sum(f, v_load(sums + j), c + j, column + j, false, LANES);
    if (j < count) {
        const size_t last = (size_t)(count - j);
        store_sum(f, v_load_part(sums + j, last), c + j, column + j, true, last);
    }
}

#endif
