/* Matrix products in tiles of registers. Compiled once per instruction set and per float type;
 * settings: BPI_BITS (32 or 64) and BPI_TABLE, the name of its table.
 *
 * A tile is ROWS x WIDE vectors of c, kept in registers while k runs: per step WIDE loads of a row
 * of b and, per row, one broadcast of an element of a. The elements of a are read where they are,
 * in either orientation; b is read where it is when few rows of c use it, and else packed, panel by
 * panel, into a buffer that stays in the first cache. This is the inner part of the method of Goto
 * and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008,
 * without its packing of a.
 *
 * In tiles, every element of c is the sum over blocks of k, whose depth follows from k alone, of sums in the
 * order of k: the same bits however c is cut into tiles and blocks. */
#include "gemm_simd.h"

#include "gemm_few.h"
#include "gemm_finish.h"
#include "gemm_flat.h"
#include "gemm_pack.h"
#include "gemm_thin.h"

#if BPI_VEC_BITS == 512
enum { ROWS = 8, WIDE = 3 };
#else
enum { ROWS = 6, WIDE = 2 };
#endif

/* The most steps of k in one go: a packed panel and the rows of a fit the first cache
 * of 48 KB (32 KB). */
#ifndef DEPTH
enum { DEPTH = BPI_VEC_BITS == 512 ? 208 : 256 };
#endif

/* One tile: k steps, `last` lanes of the last vector in use; `column` is its first one in c. */
typedef struct tile_call {
    int64_t k, column;
    const real *a, *b;
    real *c;
    int64_t row_a, step_a; /* from one row of the tile, and one step of k, to the next */
    int64_t ldb, ldc;
    size_t last;
    finish finish;
} tile_call;

/* So few rows of c are computed as fast as b can be read: rows of b are fetched ahead. */
enum { FEW_ROWS_OF_C = 2, AHEAD = 12 };

ALWAYS_INLINE void sum_tile(const tile_call *t, int rows, int wide, bool part, vec *sum) {
    const real *a = t->a, *b = t->b;
    for (int64_t k = 0; k < t->k; k++, a += t->step_a, b += t->ldb) {
        vec row[8];
        V_UNROLL
        for (int j = 0; rows <= FEW_ROWS_OF_C && j < wide; j++)
            __builtin_prefetch(b + AHEAD * t->ldb + j * LANES);
        V_UNROLL
        for (int j = 0; j < wide; j++)
            row[j] =
                part && j == wide - 1 ? v_load_part(b + j * LANES, t->last) : v_load(b + j * LANES);
        V_UNROLL
        for (int i = 0; i < rows; i++) {
            vec x = v_set(a[i * t->row_a]);
            V_UNROLL
            for (int j = 0; j < wide; j++)
                sum[i * wide + j] = v_fma(x, row[j], sum[i * wide + j]);
        }
    }
}

/* What is done once per tile, not once per step of k, is one function for all sizes: inlined into
 * each it would be most of the code. */
static __attribute__((noinline)) void store_tile(const tile_call *t, int rows, int wide,
                                                 const vec *sum) {
    const finish f = t->finish; /* not to be read again after every store */
    const size_t last = t->last;
    const int64_t column = t->column, ldc = t->ldc;
    const int whole = wide - (last < LANES);
    real *c = t->c;
    const bool bare = f.beta == 0 && !f.bias && !f.relu && !f.moved;
    const vec alpha = v_set(f.alpha);
    for (int i = 0; i < rows; i++, c += ldc, sum += wide) {
        for (int j = 0; bare && j < whole; j++)
            v_store(c + j * LANES, v_mul(alpha, sum[j]));
        for (int j = 0; !bare && j < whole; j++)
            store_sum(&f, sum[j], c + j * LANES, column + j * LANES, false, LANES);
        if (whole < wide)
            store_sum(&f, sum[whole], c + whole * LANES, column + whole * LANES, true, last);
    }
}

/* With so many steps there is time to fetch the tile of c meanwhile, should it be far away. */
enum { FAR = 64 };

static __attribute__((noinline)) void fetch_tile(const tile_call *t, int rows, int wide) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < wide; j++) {
            const real *c = t->c + i * t->ldc + j * LANES;
            __builtin_prefetch(c, 1);
            __builtin_prefetch((const void *)((intptr_t)c + t->finish.moved), 1);
        }
}

ALWAYS_INLINE void run_tile(const tile_call *t, int rows, int wide) {
    vec sum[24], done[24];
    if (t->k >= FAR)
        fetch_tile(t, rows, wide);
    V_UNROLL
    for (int i = 0; i < rows * wide; i++)
        sum[i] = v_set(0);
    if (PARTS_ARE_FREE || t->last < LANES)
        sum_tile(t, rows, wide, true, sum);
    else
        sum_tile(t, rows, wide, false, sum);
    V_UNROLL
    for (int i = 0; i < rows * wide; i++)
        done[i] = sum[i]; /* a copy, so that the sums stay in registers */
    store_tile(t, rows, wide, done);
}

/* The sizes of tiles that there are: few rows are as wide as the registers allow, for the latency
 * of a fused multiply-add is 4 steps and a product with few rows has nothing else to overlap. */
#define FEW_ROWS(X) \
    X(1, 1)         \
    X(1, 2)         \
    X(1, 3) X(1, 4) X(2, 1) X(2, 2) X(3, 1) X(3, 2) X(4, 1) X(4, 2) X(5, 1) X(5, 2) X(6, 1) X(6, 2)
#define WIDER(X) X(2, 3) X(2, 4) X(3, 3) X(3, 4)
#define MORE_REGISTERS(X)                                                                   \
    X(1, 5)                                                                                 \
    X(1, 6)                                                                                 \
    X(1, 7)                                                                                 \
    X(1, 8)                                                                                 \
    X(2, 5)                                                                                 \
    X(2, 6)                                                                                 \
    X(2, 7)                                                                                 \
    X(2, 8)                                                                                 \
    X(3, 5)                                                                                 \
    X(3, 6) X(4, 3) X(4, 4) X(4, 5) X(4, 6) X(5, 3) X(6, 3) X(7, 1) X(7, 2) X(7, 3) X(8, 1) \
        X(8, 2) X(8, 3)
#if BPI_VEC_BITS == 512
#define TILES(X) FEW_ROWS(X) WIDER(X) MORE_REGISTERS(X)
static const int widest[ROWS + 1] = {0, 8, 8, 6, 6, 3, 3, 3, 3};
#elif BPI_VEC_BITS == 256
#define TILES(X) FEW_ROWS(X) WIDER(X)
static const int widest[ROWS + 1] = {0, 4, 4, 4, 2, 2, 2};
#else
#define TILES(X) FEW_ROWS(X)
static const int widest[ROWS + 1] = {0, 4, 2, 2, 2, 2, 2};
#endif

#define TILE(rows, wide) \
    static void tile_##rows##_##wide(const tile_call *t) { run_tile(t, rows, wide); }
TILES(TILE)
#define TILE_ENTRY(rows, wide) [rows][wide] = tile_##rows##_##wide,
static void (*const tiles[ROWS + 1][9])(const tile_call *) = {TILES(TILE_ENTRY)};

/* ---- the product ----------------------------------------------------------------------------- */

/* Cuts `count` into pieces of at most `most`, as even as they can be: the size of a
 * piece, at least 1. */
static int64_t even_piece(int64_t count, int64_t most) {
    if (count <= most)
        return count > 0 ? count : 1;
    int64_t pieces = (count + most - 1) / most;
    return (count + pieces - 1) / pieces;
}

/* Few rows use b too seldom to pay for packing it, unless it lies across. */
enum { ROWS_WORTH_PACKING = 4 * ROWS };

/* How a block of c is computed. */
typedef struct tiling {
    int64_t rows, width, depth; /* of a tile at most */
    bool pack;
    real *panel;
} tiling;

static tiling tiling_of(const bpi_product *p, int64_t rows, void *panel) {
    tiling g = {.rows = even_piece(rows, ROWS), .depth = even_piece(p->k, DEPTH), .panel = panel};
    g.pack = p->transpose_b || rows >= ROWS_WORTH_PACKING;
    g.width = widest[g.rows];
    if (g.pack && g.width * g.depth > BPI_GEMM_PANEL / (int64_t)sizeof(vec))
        g.width = BPI_GEMM_PANEL / (int64_t)sizeof(vec) / g.depth;
    g.width *= LANES;
    return g;
}

/* The columns of t->column.. of the block, `columns` of them, for one block of k,
 * whose b is at `b`. */
static void run_panel(const bpi_gemm_work *work, const bpi_block *block, const tiling *g,
                      tile_call *t, int64_t k0, int64_t columns) {
    const bpi_product *p = work->product;
    const real *b = work->b, *a = work->a;
    int wide = (int)((columns + LANES - 1) / LANES);
    t->last = (size_t)(columns - (wide - 1) * LANES);
    t->b = p->transpose_b ? b + t->column * p->ldb + k0 : b + k0 * p->ldb + t->column;
    t->ldb = p->ldb;
    if (g->pack) {
        t->ldb = wide * LANES;
        (p->transpose_b ? pack_columns : pack_rows)(t->b, p->ldb, t->k, columns, t->ldb, g->panel);
        t->b = g->panel;
    }
    for (int64_t i = block->row; i < block->row_end; i += g->rows) {
        int64_t rows = block->row_end - i < g->rows ? block->row_end - i : g->rows;
        t->a = a + (p->transpose_a ? k0 * p->lda + i : i * p->lda + k0);
        t->c = (real *)work->c + i * p->ldc + t->column;
        tiles[rows][wide](t);
    }
}

/* How the sums of the block of k from k0 are stored: the first one meets what c held, the last one
 * is finished. */
static finish finish_at(const bpi_gemm_work *work, int64_t k0, int64_t depth) {
    finish f = finish_of(work);
    if (k0 > 0)
        f.beta = 1;
    if (k0 + depth < work->product->k) {
        f.bias = NULL;
        f.relu = false;
        f.moved = 0;
    }
    return f;
}

/* How many of the `left` columns the next panel takes: whole vectors, as many panels as there must
 * be, and as even as they can be. */
static int64_t panel_width(int64_t left, int64_t most) {
    int64_t width = most;
    if (left > most)
        width = even_piece((left + LANES - 1) / LANES, most / LANES) * LANES;
    return left < width ? left : width;
}

/* The rows of a that go through all panels together stay in the second cache. */
enum { BLOCK_ROWS = 30 * ROWS * 32 / BPI_BITS };

static void run_rows(const bpi_gemm_work *work, const bpi_block *block, tiling *g, tile_call *t) {
    const bpi_product *p = work->product;
    for (int64_t k0 = 0; k0 < p->k || k0 == 0; k0 += g->depth) {
        t->k = p->k - k0 < g->depth ? p->k - k0 : g->depth;
        t->finish = finish_at(work, k0, g->depth);
        for (t->column = block->column; t->column < block->column_end;) {
            int64_t columns = panel_width(block->column_end - t->column, g->width);
            run_panel(work, block, g, t, k0, columns);
            t->column += columns;
        }
    }
}

static void gemm_tiles(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    const bpi_product *p = work->product;
    int64_t rows = even_piece(block->row_end - block->row, BLOCK_ROWS);
    tiling g = tiling_of(p, rows, panel);
    tile_call t = {
        .row_a = p->transpose_a ? 1 : p->lda, .step_a = p->transpose_a ? p->lda : 1, .ldc = p->ldc};
    for (bpi_block part = *block; part.row < block->row_end; part.row = part.row_end) {
        part.row_end = block->row_end - part.row < rows ? block->row_end : part.row + rows;
        run_rows(work, &part, &g, &t);
    }
}

extern const bpi_gemm_kernels BPI_TABLE;
const bpi_gemm_kernels BPI_TABLE = {.tiles = gemm_tiles,
                                    .small = gemm_small,
                                    .dots = gemm_dots,
                                    .outer = gemm_outer,
#if BPI_VEC_BITS == 512
                                    .flat = gemm_flat,
#elif BPI_VEC_BITS == 256
                                    .few = gemm_few,
#endif
                                    .width = WIDE * LANES,
                                    .lanes = LANES};
