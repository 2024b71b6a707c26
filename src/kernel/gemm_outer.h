/* Products of small k: a sum of outer products, which costs what reading and writing c costs. */
#ifndef BPI_KERNEL_GEMM_OUTER_H
#define BPI_KERNEL_GEMM_OUTER_H

#include <string.h>

#include "gemm_finish.h"

/* Products of at most MAX_DEPTH columns by rows: a sum of outer products in one pass over c. */
enum { MAX_DEPTH = BPI_GEMM_OUTER };

/* What is known when the loops are compiled. */
typedef struct outer_kind {
    int depth;
    enum outcome outcome;
} outer_kind;

/* A row of alpha op(a), each element in all lanes; `step` elements from one to the next. */
ALWAYS_INLINE void set_row(const real *a, int64_t step, real alpha, int depth, vec *x) {
    V_UNROLL
    for (int k = 0; k < depth; k++)
        x[k] = v_set(alpha * a[k * step]);
}

/* `count` lanes of each row of op(b). */
ALWAYS_INLINE void load_rows(const real *b, int64_t ldb, int depth, bool part, size_t count,
                             vec *y) {
    V_UNROLL
    for (int k = 0; k < depth; k++)
        y[k] = part ? v_load_part(b + k * ldb, count) : v_load(b + k * ldb);
}

/* What c gets there, before bias and relu: the same bits whatever the outcome is called. */
ALWAYS_INLINE vec outer_sum(const finish *f, outer_kind kind, const vec *x, const vec *y,
                            const real *c, bool part, size_t count) {
    vec sum;
    if (kind.outcome == GIVEN || (kind.outcome == ANYTHING && f->beta == 0)) {
        sum = v_mul(x[0], y[0]);
    } else {
        sum = part ? v_load_part(c, count) : v_load(c);
        sum = v_fma(x[0], y[0], kind.outcome == ADDED ? sum : v_mul(v_set(f->beta), sum));
    }
    V_UNROLL
    for (int k = 1; k < kind.depth; k++)
        sum = v_fma(x[k], y[k], sum);
    return sum;
}

/* The same, finished and stored at c, which is column j. */
ALWAYS_INLINE void outer_step(const finish *f, outer_kind kind, const vec *x, const vec *y, real *c,
                              int64_t j, bool part, size_t count) {
    vec sum = outer_sum(f, kind, x, y, c, part, count);
    if (kind.outcome == ANYTHING)
        sum = decorate(f, sum, j, part, count);
    if (part)
        v_store_part(c, sum, count);
    else
        v_store(c, sum);
    if (kind.outcome >= SCALED && f->moved)
        move_by(f, sum, c, part, count);
}

/* ---- row by row ------------------------------------------------------------------------------ */

/* Where the second vector of a row starts, so that it and those behind it are aligned in c: a store
 * across two cache lines costs two. A short row has no use for it, nor has any where storing part
 * of a vector costs more. */
static inline int64_t first_part(const real *c, int64_t n) {
    if (!PARTS_ARE_FREE || n < 4 * LANES)
        return 0;
    return (int64_t)(-((uintptr_t)c / sizeof(real)) % LANES);
}

/* `count` elements of c at column j of a block that starts at column `first`. */
ALWAYS_INLINE void outer_part(const finish *f, outer_kind kind, const vec *x, const real *b,
                              int64_t ldb, real *c, int64_t first, int64_t j, bool part,
                              int64_t count) {
    vec y[MAX_DEPTH];
    load_rows(b + j, ldb, kind.depth, part, (size_t)count, y);
    outer_step(f, kind, x, y, c + j, first + j, part, (size_t)count);
}

/* Where parts of vectors are slow a row ends with a whole one, which repeats some elements of the
 * one before: it is computed before those are stored. */
ALWAYS_INLINE void outer_by_rows(const bpi_gemm_work *work, const bpi_block *block,
                                 outer_kind kind) {
    const bpi_product p = *work->product;
    const int64_t first = block->column, n = block->column_end - first;
    const int64_t row_a = p.transpose_a ? 1 : p.lda, step_a = p.transpose_a ? p.lda : 1;
    const real *a = (const real *)work->a + block->row * row_a, *b = (const real *)work->b + first;
    real *c = (real *)work->c + block->row * p.ldc + first;
    const finish f = finish_of(work);
    const bool bare = !f.bias && !f.relu && !f.moved;
    const bool repeat = !PARTS_ARE_FREE && bare && n > LANES && n % LANES != 0;
    for (int64_t i = block->row; i < block->row_end; i++, a += row_a, c += p.ldc) {
        vec x[MAX_DEPTH], y[MAX_DEPTH], end = v_set(0);
        set_row(a, step_a, f.alpha, kind.depth, x);
        if (repeat) {
            load_rows(b + n - LANES, p.ldb, kind.depth, false, LANES, y);
            end = outer_sum(&f, kind, x, y, c + n - LANES, false, LANES);
        }
        int64_t j = bare && f.beta == 0 ? first_part(c, n) : 0;
        if (j > 0)
            outer_part(&f, kind, x, b, p.ldb, c, first, 0, true, j);
        for (; j + LANES <= n; j += LANES)
            outer_part(&f, kind, x, b, p.ldb, c, first, j, false, LANES);
        if (repeat)
            v_store(c + n - LANES, end);
        else if (j < n)
            outer_part(&f, kind, x, b, p.ldb, c, first, j, true, n - j);
    }
}

/* ---- rows of whole vectors ------------------------------------------------------------------- */

/* Updates of rows of whole vectors, one after the other: what is done once a row is as little as it
 * can be, for narrow rows it would cost more than the row. With AVX2, where that was measured. */
#if BPI_VEC_BITS == 256

/* What is the same for all rows: those of a and c from the first on, and op(b). */
typedef struct whole_rows {
    const real *a, *b;
    real *c;
    int64_t count, n, row_a, step_a, ldb;
    finish finish;
} whole_rows;

ALWAYS_INLINE whole_rows whole_rows_of(const bpi_gemm_work *work, const bpi_block *block) {
    const bpi_product *p = work->product;
    const int64_t row_a = p->transpose_a ? 1 : p->lda;
    return (whole_rows){.a = (const real *)work->a + block->row * row_a,
                        .b = work->b,
                        .c = (real *)work->c + block->row * p->n,
                        .count = block->row_end - block->row,
                        .n = p->n,
                        .row_a = row_a,
                        .step_a = p->transpose_a ? p->lda : 1,
                        .ldb = p->ldb,
                        .finish = finish_of(work)};
}

/* The elements of a row of op(a) times alpha, each in all lanes. */
ALWAYS_INLINE void scaled_row(const whole_rows *r, vec alpha, const real *a, int depth, vec *x) {
    V_UNROLL
    for (int k = 0; k < depth; k++)
        x[k] = v_mul(alpha, v_set(a[k * r->step_a]));
}

/* Rows of so few vectors that the row of op(b) stays in registers; k = 1. */
ALWAYS_INLINE void rows_in_registers(const whole_rows *r, int vectors) {
    const finish f = r->finish;
    const vec alpha = v_set(f.alpha);
    const real *a = r->a;
    real *c = r->c;
    vec y[4];
    V_UNROLL
    for (int v = 0; v < vectors; v++)
        y[v] = v_load(r->b + v * LANES);
    for (int64_t left = r->count; left > 0; left--, a += r->row_a, c += vectors * LANES) {
        vec x;
        scaled_row(r, alpha, a, 1, &x);
        V_UNROLL
        for (int v = 0; v < vectors; v++)
            outer_step(&f, (outer_kind){1, SCALED}, &x, &y[v], c + v * LANES, 0, false, LANES);
    }
}

ALWAYS_INLINE void rows_by_pairs(const whole_rows *r, int depth) {
    const outer_kind kind = {depth, SCALED};
    const finish f = r->finish;
    const vec alpha = v_set(f.alpha);
    const real *a = r->a, *end = r->b + r->n;
    real *c = r->c;
    for (int64_t left = r->count; left > 0; left--, a += r->row_a) {
        const real *b = r->b;
        vec x[MAX_DEPTH], y[MAX_DEPTH];
        scaled_row(r, alpha, a, depth, x);
        for (; b + LANES < end; b += 2 * LANES, c += 2 * LANES)
            V_UNROLL
            for (int v = 0; v < 2; v++) {
                load_rows(b + v * LANES, r->ldb, depth, false, LANES, y);
                outer_step(&f, kind, x, y, c + v * LANES, 0, false, LANES);
            }
        if (b < end) {
            load_rows(b, r->ldb, depth, false, LANES, y);
            outer_step(&f, kind, x, y, c, 0, false, LANES);
            c += LANES;
        }
    }
}

/* Tells whether a block is of such rows; then it has been updated. A function of its own: inlined it
 * would cost the loops of the others registers. */
static __attribute__((noinline)) bool update_whole_rows(const bpi_gemm_work *work,
                                                        const bpi_block *block) {
    const bpi_product *p = work->product;
    const whole_rows r = whole_rows_of(work, block);
    const enum outcome outcome = outcome_of(&r.finish);
    if ((outcome != ADDED && outcome != SCALED) || p->n % LANES != 0 || p->ldc != p->n ||
        block->column_end - block->column != p->n || (p->k == 1 && p->n > 4 * LANES))
        return false;
    switch (p->k > 1 ? -p->k : p->n / LANES) {
    case 1: rows_in_registers(&r, 1); break;
    case 2: rows_in_registers(&r, 2); break;
    case 3: rows_in_registers(&r, 3); break;
    case 4: rows_in_registers(&r, 4); break;
    case -2: rows_by_pairs(&r, 2); break;
    case -3: rows_by_pairs(&r, 3); break;
    case -4: rows_by_pairs(&r, 4); break;
    default: return false; /* an empty row */
    }
    return true;
}
#endif

/* ---- period by period ------------------------------------------------------------------------ */

/* Rows of c without gaps: as many as end where a vector does are a period, which is done in whole
 * vectors, aligned where the block is. A store across two cache lines costs two, and a load from
 * where part of a vector was just stored waits. A vector that rows share takes its lanes from all
 * of them. Rows of op(b) are there as often as there are rows in a period. */
typedef struct periods {
    const real *b;
    int64_t ldb, rows;
} periods;

/* A group: periods side by side that share what is loaded of b. */
typedef struct outer_group {
    const real *a, *b;
    real *c;
    int64_t next_a, row_a, step_a; /* from one period, one row, one step of k to the next */
    int64_t ldb, next_c;
} outer_group;

/* `count` vectors of each period. */
ALWAYS_INLINE void group_vectors(const finish *f, outer_kind kind, int together, const vec *x,
                                 const real *b, int64_t ldb, real *c, int64_t next_c,
                                 size_t count) {
    const int unrolled = BPI_VEC_BITS != 256 || together > 1 ? 1 : kind.depth == 1 ? 4 : 2;
    const size_t n = count * LANES, step = (size_t)unrolled * LANES;
    size_t j = 0;
    for (; j + step <= n; j += step)
        V_UNROLL
        for (size_t u = 0; u < step; u += LANES) {
            vec y[MAX_DEPTH];
            load_rows(b + j + u, ldb, kind.depth, false, LANES, y);
            V_UNROLL
            for (int t = 0; t < together; t++)
                outer_step(f, kind, x + t * kind.depth, y, c + t * next_c + j + u, 0, false, LANES);
        }
    for (; step > LANES && j < n; j += LANES) {
        vec y[MAX_DEPTH];
        load_rows(b + j, ldb, kind.depth, false, LANES, y);
        V_UNROLL
        for (int t = 0; t < together; t++)
            outer_step(f, kind, x + t * kind.depth, y, c + t * next_c + j, 0, false, LANES);
    }
}

/* A row of each period. */
ALWAYS_INLINE void group_rows(const finish *f, int depth, int together, const outer_group *g,
                              const real *a, vec *x) {
    V_UNROLL
    for (int t = 0; t < together; t++)
        set_row(a + t * g->next_a, g->step_a, f->alpha, depth, x + t * depth);
}

ALWAYS_INLINE void run_group(const finish *f, outer_kind kind, int together, size_t n,
                             const outer_group *g) {
    vec x[4 * MAX_DEPTH], shared[4 * MAX_DEPTH];
    const real *a = g->a, *b = g->b;
    real *c = g->c;
    group_rows(f, kind.depth, together, g, a, x);
    for (size_t left = n;;) {
        size_t count = left / LANES, filled = left % LANES;
        group_vectors(f, kind, together, x, b, g->ldb, c, g->next_c, count);
        if (filled == 0)
            return;
        b += count * LANES;
        c += count * LANES;
        V_UNROLL
        for (int k = 0; k < together * kind.depth; k++)
            shared[k] = x[k];
        do {
            const vec_mask before = first_lanes((int64_t)filled);
            a += g->row_a;
            group_rows(f, kind.depth, together, g, a, x);
            V_UNROLL
            for (int k = 0; k < together * kind.depth; k++)
                shared[k] = v_select(before, shared[k], x[k]);
            filled += n;
        } while (filled < LANES);
        vec y[MAX_DEPTH];
        load_rows(b, g->ldb, kind.depth, false, LANES, y);
        V_UNROLL
        for (int t = 0; t < together; t++)
            outer_step(f, kind, shared + t * kind.depth, y, c + t * g->next_c, 0, false, LANES);
        b += LANES;
        c += LANES;
        left = filled - LANES;
    }
}

/* Groups of `together` periods as far as they go, from row i: returns the first that is left. */
ALWAYS_INLINE int64_t run_groups(const bpi_gemm_work *work, int64_t i, int64_t row_end,
                                 outer_kind kind, int together, const periods *all) {
    const bpi_product p = *work->product;
    const int64_t row_a = p.transpose_a ? 1 : p.lda, rows = all->rows;
    const finish f = finish_of(work);
    outer_group g = {.b = all->b, .ldb = all->ldb, .next_a = rows * row_a, .next_c = rows * p.n};
    g.row_a = row_a;
    g.step_a = p.transpose_a ? p.lda : 1;
    for (; i + together * rows <= row_end; i += together * rows) {
        g.a = (const real *)work->a + i * row_a;
        g.c = (real *)work->c + i * p.n;
        run_group(&f, kind, together, (size_t)p.n, &g);
    }
    return i;
}

/* Whether a block goes by periods: where that is faster, and not for SSE2, to which it would not be
 * worth its size. */
static bool has_periods(const bpi_gemm_work *work, const bpi_block *block, enum outcome outcome) {
    const bpi_product *p = work->product;
    if (block->column > 0 || block->column_end < p->n || p->ldc != p->n || outcome == ANYTHING ||
        block->row_end - block->row < 16)
        return false;
    if (outcome == GIVEN)
        return BPI_VEC_BITS == 256;
    return BPI_VEC_FMA && (!PARTS_ARE_FREE || p->n % LANES != 0);
}

/* Finds the period and copies the rows of op(b) for it; no rows where there is no room in the
 * first cache. */
static periods find_periods(const bpi_product *p, const real *b, real *copy) {
    enum { MOST = 16 * 1024 / (int)sizeof(real) };
    int64_t rows = 1;
    while (rows * p->n % LANES != 0)
        rows *= 2;
    if (rows == 1)
        return (periods){b, p->ldb, rows};
    if (p->k * rows * p->n > MOST)
        return (periods){NULL, 0, 0};
    for (int64_t k = 0; k < p->k; k++)
        for (int64_t r = 0; r < rows; r++)
            memcpy(copy + (k * rows + r) * p->n, b + k * p->ldb, (size_t)p->n * sizeof(real));
    return (periods){copy, rows * p->n, rows};
}

/* Addresses that differ by multiples of this compete for the same lines of the first cache, and
 * stores are mistaken for what loads look for. */
enum { SAME_PLACE = 2048 };

/* By periods as far as they go: returns the first row that is left. To be added to c is to be added
 * to beta times c where that costs little. */
ALWAYS_INLINE int64_t run_periods(const bpi_gemm_work *work, const bpi_block *block, int depth,
                                  enum outcome outcome, const periods *all) {
    enum { TOGETHER = 4 };
    const outer_kind given = {depth, GIVEN}, added = {depth, ADDED}, scaled = {depth, SCALED};
    const bool apart = all->rows * work->product->n * (int64_t)sizeof(real) % SAME_PLACE != 0;
    int64_t i = block->row;
    if (PARTS_ARE_FREE && outcome == ADDED)
        return run_groups(work, i, block->row_end, added, 1, all);
    if (BPI_VEC_BITS == 256 && depth == 1 && apart && outcome == ADDED)
        i = run_groups(work, i, block->row_end, scaled, TOGETHER, all);
    if (outcome != GIVEN)
        return run_groups(work, i, block->row_end, scaled, 1, all);
    if (BPI_VEC_BITS == 256 && depth == 1 && apart)
        return run_groups(work, i, block->row_end, given, TOGETHER, all);
    if (BPI_VEC_BITS == 256 && depth > 1)
        return run_groups(work, i, block->row_end, given, 1, all);
    return i;
}

ALWAYS_INLINE void run_outer(const bpi_gemm_work *work, const bpi_block *block, int depth,
                             void *panel) {
    const finish f = finish_of(work);
    const enum outcome outcome = outcome_of(&f);
    bpi_block rest = *block;
    periods all = {0};
    if (has_periods(work, block, outcome))
        all = find_periods(work->product, work->b, panel);
    if (all.rows > 0)
        rest.row = run_periods(work, block, depth, outcome, &all);
    if (PARTS_ARE_FREE && outcome == GIVEN)
        outer_by_rows(work, &rest, (outer_kind){depth, GIVEN});
    else if (PARTS_ARE_FREE && outcome == ADDED)
        outer_by_rows(work, &rest, (outer_kind){depth, ADDED});
    else
        outer_by_rows(work, &rest, (outer_kind){depth, ANYTHING});
}

static void gemm_outer(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
#if BPI_VEC_BITS == 256
    if (update_whole_rows(work, block))
        return;
#endif
    switch (work->product->k) {
    case 1: run_outer(work, block, 1, panel); break;
    case 2: run_outer(work, block, 2, panel); break;
    case 3: run_outer(work, block, 3, panel); break;
    default: run_outer(work, block, 4, panel); break;
    }
}

#endif
