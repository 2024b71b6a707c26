/* Softmax of many short rows: LANES rows at a time are turned, so that a vector is a column and a
 * lane is a row. Maximum and sum of a row are then those of a lane, and no vector is partly idle.
 * For 256 bits: with 512 parts of a vector are loaded and stored as fast as all of it. */
#ifndef BPI_KERNEL_ROWS_TURNED_H
#define BPI_KERNEL_ROWS_TURNED_H

#include <stdbool.h>
#include <string.h>

#include "vec_fold.h"
#include "vec_math.h"

#if BPI_VEC_BITS == 256

/* TURN_BLOCK columns of LANES rows are turned at once; the last block of a row overlaps the one
 * before. With TURN_MOST columns it gains next to nothing. */
enum { TURN_BLOCK = LANES / 2, TURN_LEAST = TURN_BLOCK, TURN_MOST = 8 * LANES };

/* The first column of the block that column j begins. */
static inline int64_t block_at(int64_t n, int64_t j) {
    return j + TURN_BLOCK <= n ? j : n - TURN_BLOCK;
}

static inline void turn_in(int64_t n, const real *x, vec *column) {
    for (int64_t j = 0; j < n; j += TURN_BLOCK) {
        const real *from = x + block_at(n, j);
        vec *to = column + block_at(n, j);
        V_UNROLL
        for (int k = 0; k < TURN_BLOCK; k++)
            to[k] =
                V_PAIR(V_NARROW(loadu)(from + k * n), V_NARROW(loadu)(from + (k + TURN_BLOCK) * n));
        v_transpose_quarters(to);
    }
}

/* Columns, divided by `sum` unless it is NULL. */
static inline void turn_out(int64_t n, const vec *column, const vec *sum, real *y) {
    for (int64_t j = 0; j < n; j += TURN_BLOCK) {
        const int64_t at = block_at(n, j);
        vec block[TURN_BLOCK];
        V_UNROLL
        for (int k = 0; k < TURN_BLOCK; k++)
            block[k] = sum ? v_div(column[at + k], *sum) : column[at + k];
        v_transpose_quarters(block);
        V_UNROLL
        for (int k = 0; k < TURN_BLOCK; k++) {
            V_NARROW(storeu)(y + at + k * n, V_LOW_QUARTER(block[k]));
            V_NARROW(storeu)(y + at + (k + TURN_BLOCK) * n, V_HIGH_QUARTER(block[k]));
        }
    }
}

/* TINY_SCALE exp(x - max) in all columns, and what belongs to the rows: maximum and sum. */
static inline void softmax_columns(int64_t n, vec *column, vec *max, vec *sum) {
    vec m = v_set(-INFINITY), s0 = v_set(0), s1 = s0;
    for (int64_t j = 0; j < n; j++)
        m = v_max(column[j], m); /* loses a NaN, which the sum then is */
    int64_t j = 0;
    for (; j + 2 <= n; j += 2) {
        column[j] = exp_below(column[j], m);
        column[j + 1] = exp_below(column[j + 1], m);
        s0 = v_add(s0, column[j]);
        s1 = v_add(s1, column[j + 1]);
    }
    if (j < n)
        s0 = v_add(s0, column[j] = exp_below(column[j], m));
    *max = m;
    *sum = v_add(s0, s1);
}

/* The first of LANES rows: of x, or of `group`, zeros beside what x has, if x has fewer. Values
 * then do not depend on how many rows there are. */
static inline const real *whole_group(int64_t count, int64_t n, const real *x, real *group) {
    if (count == LANES)
        return x;
    memset(group, 0, (size_t)(LANES * n) * sizeof *x);
    return memcpy(group, x, (size_t)(count * n) * sizeof *x);
}

static inline void turn_some_out(int64_t count, int64_t n, const vec *column, const vec *sum,
                                 real *y, real *group) {
    turn_out(n, column, sum, count < LANES ? group : y);
    if (count < LANES)
        memcpy(y, group, (size_t)(count * n) * sizeof *y);
}

/* As softmax of bpi_rows, for TURN_LEAST <= n <= TURN_MOST. */
static __attribute__((noinline)) void softmax_turned(int64_t rows, int64_t n, const real *x,
                                                     real *y, real *max, real *sum) {
    vec column[TURN_MOST], m, s;
    real group[LANES * TURN_MOST];
    for (int64_t r = 0; r < rows; r += LANES) {
        const int64_t count = rows - r < LANES ? rows - r : LANES;
        turn_in(n, whole_group(count, n, x + r * n, group), column);
        softmax_columns(n, column, &m, &s);
        store_some(max + r, m, count);
        store_some(sum + r, v_mul(s, v_set(1 / TINY_SCALE)), count);
        if (y)
            turn_some_out(count, n, column, &s, y + r * n, group);
    }
}

/* As the gradients of bpi_rows, for the same n but LANES; `logs` says which. */
static __attribute__((noinline)) void softmax_grad_turned(int64_t rows, int64_t n, const real *y,
                                                          const real *gy, real *gx, bool logs) {
    vec column[TURN_MOST], g[TURN_MOST];
    real group[LANES * TURN_MOST];
    for (int64_t r = 0; r < rows; r += LANES) {
        const int64_t count = rows - r < LANES ? rows - r : LANES;
        vec s = v_set(0);
        turn_in(n, whole_group(count, n, y + r * n, group), column);
        turn_in(n, whole_group(count, n, gy + r * n, group), g);
        for (int64_t j = 0; j < n; j++)
            s = logs ? v_add(s, g[j]) : v_fma(column[j], g[j], s);
        s = logs ? v_mul(s, v_set(1 / TINY_SCALE)) : s;
        for (int64_t j = 0; j < n; j++)
            column[j] = logs ? log_slope(column[j], g[j], &s) : softmax_slope(column[j], g[j], &s);
        turn_some_out(count, n, column, NULL, gx + r * n, group);
    }
}

#endif
#endif
