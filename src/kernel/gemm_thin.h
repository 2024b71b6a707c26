/* Products that tiles serve badly: few rows times a transposed matrix, as dot products; and small
 * k, a sum of outer products, which costs what reading and writing c costs. */
#ifndef BPI_KERNEL_GEMM_THIN_H
#define BPI_KERNEL_GEMM_THIN_H

#include <string.h>

#include "gemm_finish.h"
#include "gemm_pack.h"

/* ---- dot products ---------------------------------------------------------------------------- */

/* A tile of dot products has DOT_ROWS rows at most, and as many columns as the registers allow. */
enum { DOT_ROWS = 4, DOT_COLUMNS = 8 };
#if BPI_VEC_BITS == 512
#define DOT_TILES(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 8) X(2, 8) X(3, 4) X(4, 4)
static const int dot_columns_of[DOT_ROWS + 1] = {0, 8, 8, 4, 4};
#else
#define DOT_TILES(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 8) X(2, 4) X(3, 4) X(4, 3)
static const int dot_columns_of[DOT_ROWS + 1] = {0, 8, 4, 4, 3};
#endif

typedef struct dot_call {
    int64_t k, lda, ldb;
    const real *a, *b;
    real *sums;
} dot_call;

/* Adds the products of LANES or, with `part`, `count` elements from k on. */
ALWAYS_INLINE void add_dots(const dot_call *t, int rows, int columns, int64_t k, bool part,
                            size_t count, vec *sum) {
    vec x[DOT_ROWS];
    V_UNROLL
    for (int i = 0; i < rows; i++)
        x[i] = part ? v_load_part(t->a + i * t->lda + k, count) : v_load(t->a + i * t->lda + k);
    V_UNROLL
    for (int j = 0; j < columns; j++) {
        const real *b = t->b + j * t->ldb + k;
        const vec y = part ? v_load_part(b, count) : v_load(b);
        V_UNROLL
        for (int i = 0; i < rows; i++)
            sum[i * columns + j] = v_fma(x[i], y, sum[i * columns + j]);
    }
}

ALWAYS_INLINE void run_dots(const dot_call *t, int rows, int columns) {
    vec sum[16];
    const int sums = (rows * columns + QUARTER - 1) / QUARTER * QUARTER;
    V_UNROLL
    for (int i = 0; i < sums; i++)
        sum[i] = v_set(0);
    int64_t k = 0;
    for (; k + LANES <= t->k; k += LANES)
        add_dots(t, rows, columns, k, false, LANES, sum);
    if (k < t->k)
        add_dots(t, rows, columns, k, true, (size_t)(t->k - k), sum);
    real total[16];
    V_UNROLL
    for (int i = 0; i < sums; i += QUARTER)
        V_NARROW(storeu)(total + i, v_sums(sum + i));
    V_UNROLL
    for (int i = 0; i < rows; i++)
        V_UNROLL
        for (int j = 0; j < columns; j++)
            t->sums[i * NEXT_SUMS + j] = total[i * columns + j];
}

#define DOTS(rows, columns) \
    static void dots_##rows##_##columns(const dot_call *t) { run_dots(t, rows, columns); }
#define DOTS_ENTRY(rows, columns) [rows][columns] = dots_##rows##_##columns,
DOT_TILES(DOTS)
static void (*const dot_tiles[DOT_ROWS + 1][DOT_COLUMNS + 1])(const dot_call *) = {
    DOT_TILES(DOTS_ENTRY)};

/* The sums of columns j to j_end of c; the last tile may repeat some of those of the one before. */
static void dot_columns(dot_call t, const real *b, int rows, int64_t j, int64_t j_end) {
    const int64_t first = j, columns = j_end - j < dot_columns_of[rows] ? 1 : dot_columns_of[rows];
    real *sums = t.sums;
    while (j < j_end) {
        j = j_end - j < columns ? j_end - columns : j;
        t.b = b + j * t.ldb;
        t.sums = sums + (j - first);
        dot_tiles[rows][columns](&t);
        j += columns;
    }
}

static void gemm_dots(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    const bpi_product *p = work->product;
    const finish f = finish_of(work);
    dot_call t = {.k = p->k,
                  .lda = p->transpose_a ? 1 : p->lda,
                  .ldb = p->transpose_b ? p->ldb : 1,
                  .sums = panel};
    for (int64_t i = block->row; i < block->row_end; i += DOT_ROWS) {
        int rows = (int)(block->row_end - i < DOT_ROWS ? block->row_end - i : DOT_ROWS);
        t.a = (const real *)work->a + i * t.lda;
        for (int64_t j = block->column, count; j < block->column_end; j += count) {
            count = chunk_of(block->column_end - j);
            dot_columns(t, work->b, rows, j, j + count);
            for (int r = 0; r < rows; r++)
                finish_row(&f, t.sums + r * NEXT_SUMS, j, count,
                           (real *)work->c + (i + r) * p->ldc + j);
        }
    }
}

/* ---- small products -------------------------------------------------------------------------- */

/* One vector per row of c, element after element of op(a): no packing, no tiles,
 * nothing to set up. */
static void gemm_small(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    const bpi_product *p = work->product;
    int64_t row_a = p->transpose_a ? 1 : p->lda, step_a = p->transpose_a ? p->lda : 1;
    const real *b = work->b;
    int64_t ldb = p->transpose_b && p->n == 1 ? 1 : p->ldb;
    if (p->transpose_b && p->n > 1 && !(p->k == 1 && p->ldb == 1)) {
        real *copy = panel;
        for (int64_t j = 0; j < p->n; j++)
            for (int64_t k = 0; k < p->k; k++)
                copy[k * LANES + j] = b[j * p->ldb + k];
        b = copy;
        ldb = LANES;
    }
    const finish f = finish_of(work);
    const size_t n = (size_t)p->n;
    const int64_t depth = p->k, rows = block->row_end, ldc = p->ldc;
    const real *a = (const real *)work->a + block->row * row_a;
    real *c = (real *)work->c + block->row * ldc;
    for (int64_t i = block->row; i < rows; i++, a += row_a, c += ldc) {
        const real *x = a, *y = b;
        vec sum = v_set(0);
        for (int64_t k = 0; k < depth; k++, x += step_a, y += ldb)
            sum = v_fma(v_set(*x), v_load_part(y, n), sum);
        store_sum(&f, sum, c, 0, true, n);
    }
}

/* ---- outer products -------------------------------------------------------------------------- */

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
    switch (work->product->k) {
    case 1: run_outer(work, block, 1, panel); break;
    case 2: run_outer(work, block, 2, panel); break;
    case 3: run_outer(work, block, 3, panel); break;
    default: run_outer(work, block, 4, panel); break;
    }
}

#endif
