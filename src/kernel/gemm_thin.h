/* Products that tiles serve badly: few rows times a transposed matrix, as dot products; and small
 * k, a sum of outer products, which costs what reading and writing c costs. */
#ifndef BPI_KERNEL_GEMM_THIN_H
#define BPI_KERNEL_GEMM_THIN_H

#include "gemm_finish.h"
#include "gemm_pack.h"

/* ---- dot products ---------------------------------------------------------------------------- */

/* A tile of dot products has DOT_ROWS rows at most, and as many columns as the registers allow. */
enum { DOT_ROWS = 4, DOT_COLUMNS = 8 };
#if BPI_VEC_BITS == 512
static const int dot_columns[DOT_ROWS + 1] = {0, 8, 8, 4, 4};
#else
static const int dot_columns[DOT_ROWS + 1] = {0, 8, 4, 4, 2};
#endif

/* Adds the 128-bit parts of a vector. */
static inline quad v_fold(vec v) {
#if BPI_VEC_BITS == 512
    quad low = Q_ADD(Q_PART512(v, 0), Q_PART512(v, 2));
    return Q_ADD(low, Q_ADD(Q_PART512(v, 1), Q_PART512(v, 3)));
#elif BPI_VEC_BITS == 256
    return Q_ADD(Q_PART256(v, 0), Q_PART256(v, 1));
#else
    return v;
#endif
}

/* Writes the sums of the lanes of QUAD vectors, always added in the same order. */
static inline void store_totals(const vec *v, real *total) {
#if BPI_BITS == 64
    quad a = v_fold(v[0]), b = v_fold(v[1]);
    Q_STORE(total, Q_ADD(simde_mm_unpacklo_pd(a, b), simde_mm_unpackhi_pd(a, b)));
#else
    quad a = v_fold(v[0]), b = v_fold(v[1]), c = v_fold(v[2]), d = v_fold(v[3]);
    quad ab = Q_ADD(simde_mm_unpacklo_ps(a, b), simde_mm_unpackhi_ps(a, b));
    quad cd = Q_ADD(simde_mm_unpacklo_ps(c, d), simde_mm_unpackhi_ps(c, d));
    Q_STORE(total, Q_ADD(simde_mm_movelh_ps(ab, cd), simde_mm_movehl_ps(cd, ab)));
#endif
}

typedef struct dot_call {
    int64_t k, lda, ldb, ldc;
    const real *a, *b;
    real *c;
    int64_t column;
    finish finish;
} dot_call;

ALWAYS_INLINE void run_dots(const dot_call *t, int rows, int columns) {
    vec sum[16];
    int sums = (rows * columns + QUAD - 1) / QUAD * QUAD;
    V_UNROLL
    for (int i = 0; i < sums; i++)
        sum[i] = v_set(0);
    for (int64_t k = 0; k < t->k; k += LANES) {
        bool part = t->k - k < LANES;
        size_t last = (size_t)(t->k - k);
        vec x[DOT_ROWS];
        V_UNROLL
        for (int i = 0; i < rows; i++)
            x[i] = part ? v_load_part(t->a + i * t->lda + k, last) : v_load(t->a + i * t->lda + k);
        V_UNROLL
        for (int j = 0; j < columns; j++) {
            const real *b = t->b + j * t->ldb + k;
            vec y = part ? v_load_part(b, last) : v_load(b);
            V_UNROLL
            for (int i = 0; i < rows; i++)
                sum[i * columns + j] = v_fma(x[i], y, sum[i * columns + j]);
        }
    }
    real total[16 + LANES] = {0}; /* what is there may be denormal, which is slow */
    V_UNROLL
    for (int i = 0; i < sums; i += QUAD)
        store_totals(sum + i, total + i);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j += LANES) {
            int count = columns - j < LANES ? columns - j : LANES;
            store_sum(&t->finish, v_load(total + i * columns + j), t->c + i * t->ldc + j,
                      t->column + j, count < LANES, (size_t)count);
        }
}

#define DOTS(rows, columns) \
    static void dots_##rows##_##columns(const dot_call *t) { run_dots(t, rows, columns); }
#define DOTS_ENTRY(rows, columns) [rows][columns] = dots_##rows##_##columns,
#define DOT_TILES(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(1, 8) X(2, 4) X(2, 8) X(3, 4) X(4, 2) X(4, 4)
DOT_TILES(DOTS)
static void (*const dot_tiles[DOT_ROWS + 1][DOT_COLUMNS + 1])(const dot_call *) = {
    DOT_TILES(DOTS_ENTRY)};

static void gemm_dots(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    (void)panel;
    const bpi_product *p = work->product;
    dot_call t = {
        .k = p->k, .lda = p->transpose_a ? 1 : p->lda, .ldb = p->transpose_b ? p->ldb : 1};
    t.ldc = p->ldc;
    t.finish = finish_of(work);
    for (int64_t i = block->row; i < block->row_end; i += DOT_ROWS) {
        int rows = (int)(block->row_end - i < DOT_ROWS ? block->row_end - i : DOT_ROWS);
        t.a = (const real *)work->a + i * t.lda;
        int columns = dot_columns[rows];
        for (int64_t j = block->column; j < block->column_end; j += columns) {
            if (block->column_end - j < columns)
                columns = 1;
            t.b = (const real *)work->b + j * t.ldb;
            t.c = (real *)work->c + i * t.ldc + j;
            t.column = j;
            dot_tiles[rows][columns](&t);
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

/* What is known when the loops are compiled: the depth, and whether c is read, and whether it has
 * no more to it than sums (no bias, no relu, nothing moved). */
typedef struct outer_kind {
    int depth;
    bool add, bare;
} outer_kind;

/* `count` lanes at column j of a row of c, x[] being alpha times the row of op(a). */
ALWAYS_INLINE void outer_step(const finish *f, outer_kind kind, const vec *x, const real *b,
                              int64_t ldb, real *c, int64_t j, bool part, size_t count) {
    vec sum = v_mul(x[0], part ? v_load_part(b, count) : v_load(b));
    V_UNROLL
    for (int k = 1; k < kind.depth; k++)
        sum = v_fma(x[k], part ? v_load_part(b + k * ldb, count) : v_load(b + k * ldb), sum);
    if (kind.add && (kind.bare || f->beta != 0))
        sum = v_fma(v_set(f->beta), part ? v_load_part(c, count) : v_load(c), sum);
    if (!kind.bare)
        sum = decorate(f, sum, j, part, count);
    if (part)
        v_store_part(c, sum, count);
    else
        v_store(c, sum);
    if (!kind.bare && f->moved)
        move_by(f, sum, c, part, count);
}

/* Row i of alpha op(a), each element in all lanes. */
ALWAYS_INLINE void set_row(const bpi_product *p, const real *a, real alpha, int64_t i, int depth,
                           vec *x) {
    a += i * (p->transpose_a ? 1 : p->lda);
    V_UNROLL
    for (int k = 0; k < depth; k++)
        x[k] = v_set(alpha * a[k * (p->transpose_a ? p->lda : 1)]);
}

/* Where the second vector of a row starts, so that it and those behind it are aligned in c: a store
 * across two cache lines costs two. A short row has no use for it. */
static inline int64_t first_part(const real *c, int64_t n) {
    return n < 4 * LANES ? 0 : (int64_t)(-((uintptr_t)c / sizeof(real)) % LANES);
}

/* Row by row. */
ALWAYS_INLINE void outer_by_rows(const bpi_gemm_work *work, const bpi_block *block,
                                 outer_kind kind) {
    int64_t ldb = work->product->ldb, first = block->column, n = block->column_end - first;
    const real *b = (const real *)work->b + first;
    finish f = finish_of(work);
    for (int64_t i = block->row; i < block->row_end; i++) {
        real *c = (real *)work->c + i * work->product->ldc + first;
        vec x[MAX_DEPTH];
        set_row(work->product, work->a, f.alpha, i, kind.depth, x);
        int64_t j = kind.add ? 0 : first_part(c, n);
        if (j > 0)
            outer_step(&f, kind, x, b, ldb, c, first, true, (size_t)j);
        for (; j + LANES <= n; j += LANES)
            outer_step(&f, kind, x, b + j, ldb, c + j, first + j, false, LANES);
        if (j < n)
            outer_step(&f, kind, x, b + j, ldb, c + j, first + j, true, (size_t)(n - j));
    }
}

/* Rows of c without gaps, as one array in whole vectors, aligned where the block is: a store across
 * two cache lines costs two, and a load from where part of a vector was just stored waits. A vector
 * that rows share takes its lanes from all of them. `b` holds the rows of op(b), each `ldb` elements
 * and going on from its start again after n. */
ALWAYS_INLINE void outer_by_vectors(const bpi_gemm_work *work, const bpi_block *block,
                                    outer_kind kind, const real *b, int64_t ldb) {
    const bpi_product p = *work->product;
    const real *a = work->a;
    const finish f = finish_of(work);
    real *c = (real *)work->c + block->row * p.n;
    int64_t i = block->row, first = 0; /* of row i, `first` elements are done */
    vec x[MAX_DEPTH], shared[MAX_DEPTH];
    set_row(&p, a, f.alpha, i, kind.depth, x);
    for (;;) {
        const int64_t whole = (p.n - first) / LANES * LANES;
        const real *row = b + first;
        for (int64_t j = 0; j < whole; j += LANES)
            outer_step(&f, kind, x, row + j, ldb, c + j, 0, false, LANES);
        c += whole;
        int64_t filled = p.n - first - whole;
        V_UNROLL
        for (int k = 0; k < kind.depth; k++)
            shared[k] = x[k];
        for (; filled < LANES && i + 1 < block->row_end; filled += p.n) {
            set_row(&p, a, f.alpha, ++i, kind.depth, x);
            V_UNROLL
            for (int k = 0; k < kind.depth; k++)
                shared[k] = v_select(first_lanes(filled), shared[k], x[k]);
        }
        if (filled < LANES) {
            if (filled > 0)
                outer_step(&f, kind, shared, row + whole, ldb, c, 0, true, (size_t)filled);
            return;
        }
        outer_step(&f, kind, shared, row + whole, ldb, c, 0, false, LANES);
        c += LANES;
        first = p.n - (filled - LANES);
    }
}

/* Copies a row of n elements and its start again, LANES more in all. */
static void copy_around(const real *b, int64_t n, real *copy) {
    for (int64_t j = 0, from = 0; j < n + LANES; j++) {
        copy[j] = b[from];
        from = from + 1 < n ? from + 1 : 0;
    }
}

ALWAYS_INLINE void run_outer(const bpi_gemm_work *work, const bpi_block *block, outer_kind kind,
                             void *panel) {
    const bpi_product *p = work->product;
    int64_t ldb = p->n + LANES, bytes = kind.depth * ldb * (int64_t)sizeof(real);
    bool whole = block->column == 0 && block->column_end == p->n && p->ldc == p->n;
    bool same_everywhere = !work->finish->bias && !work->finish->relu;
    if (!whole || !kind.add || !same_everywhere || p->n % LANES == 0 || bytes > BPI_GEMM_PANEL ||
        block->row_end - block->row < 16) {
        outer_by_rows(work, block, kind);
        return;
    }
    for (int k = 0; k < kind.depth; k++)
        copy_around((const real *)work->b + k * p->ldb, p->n, (real *)panel + k * ldb);
    outer_by_vectors(work, block, kind, panel, ldb);
}

ALWAYS_INLINE void run_outer_of_depth(const bpi_gemm_work *work, const bpi_block *block, int depth,
                                      void *panel) {
    const bpi_finish *f = work->finish;
    if (f->bias || f->relu || f->moved)
        run_outer(work, block, (outer_kind){depth, true, false}, panel);
    else if (f->beta != 0)
        run_outer(work, block, (outer_kind){depth, true, true}, panel);
    else
        run_outer(work, block, (outer_kind){depth, false, true}, panel);
}

static void gemm_outer(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    switch (work->product->k) {
    case 1: run_outer_of_depth(work, block, 1, panel); break;
    case 2: run_outer_of_depth(work, block, 2, panel); break;
    case 3: run_outer_of_depth(work, block, 3, panel); break;
    default: run_outer_of_depth(work, block, 4, panel); break;
    }
}

#endif
