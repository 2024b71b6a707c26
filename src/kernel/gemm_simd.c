/* Matrix products in tiles of registers. Compiled once per instruction set and per float type;
 * settings: BPI_BITS (32 or 64) and BPI_TABLE, the name of its table.
 *
 * The elements of a are read where they are, in either orientation; b is read where it is when
 * few rows of c use it, or some dozens by strips that stay in the first cache, and else packed,
 * panel by panel: one panel that stays in the first cache while all rows meet it, or where this
 * cache is small several in the second, which the rows of one tile meet one after the other. This
 * is the inner part of the method of Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication", 2008, without its packing of a.
 *
 * In tiles, every element of c is the sum over blocks of k, whose depth follows from the shape
 * and from how a and b are stored, of sums in the order of k: the same bits however c is cut into
 * tiles and blocks. */
#include "gemm_simd.h"

#include "gemm_few.h"
#include "gemm_flat.h"
#include "gemm_outer.h"
#include "gemm_pack.h"
#include "gemm_thin.h"
#include "gemm_tile.h"

/* The most steps of k in one go: a packed panel and the rows of a fit the first cache
 * of 48 KB (32 KB). Where a is stored transposed, its rows take a cache line for each step. */
enum { DEPTH = BPI_VEC_BITS == 512 ? 208 : 256, DEPTH_ACROSS = BPI_VEC_BITS == 512 ? 208 : 128 };

/* ---- the product ----------------------------------------------------------------------------- */

/* Cuts `count` into pieces of at most `most`, as even as they can be: the size of a
 * piece, at least 1. */
static int64_t even_piece(int64_t count, int64_t most) {
    if (count <= most)
        return count > 0 ? count : 1;
    int64_t pieces = (count + most - 1) / most;
    return (count + pieces - 1) / pieces;
}

static int64_t vectors_of(int64_t columns) { return (columns + LANES - 1) / LANES; }

/* Few rows use b too seldom to pay for packing it, unless it lies across: fewer than SOME_ROWS, or
 * than MANY_ROWS where its rows do not compete for the same places in the first cache. */
enum { SOME_ROWS = 4 * ROWS, MANY_ROWS = 49, SAME_PLACES = 256 };

/* With 16 registers there are tiles of 4 rows by three vectors beside those of 6 by two. These
 * would leave one of an odd number over, which has too few sums for the latency of a fused
 * multiply-add. Where b stays in the first cache, those of three are the faster ones. */
enum { HAS_THREES = BPI_VEC_BITS == 256, THREE = 3, ROWS_OF_THREE = 4 };

/* How a block of c is computed. */
typedef struct tiling {
    int64_t rows, wide, depth; /* of a tile at most: rows, vectors, steps */
    int64_t chunk;             /* vectors of a row of b that are packed at once, at most */
    bool pack, copy;           /* b; and its whole panels by the first tiles that use them */
    enum { ALL_WIDE, LAST_IS_THREE, THREES } panels; /* three vectors: none, the last one, most */
    real *panel;                                     /* where b is packed */
} tiling;

/* Tells whether some dozens of rows read b where it lies. Then a strip of it stays in the first
 * cache with all rows of a. */
static bool reads_in_place(const bpi_product *p) {
    const bool apart = p->ldb * (int64_t)sizeof(real) % SAME_PLACES != 0;
    return HAS_THREES && !p->transpose_a && !p->transpose_b && p->m >= SOME_ROWS &&
           p->m < MANY_ROWS && p->n > 2 * LANES && apart;
}

static int64_t depth_of(const bpi_product *p) {
    enum { CACHED = 32000, STRIP = 120 }; /* bytes; those of the lines of a row of the strip */
    int64_t most = p->transpose_a ? DEPTH_ACROSS : DEPTH;
    if (reads_in_place(p))
        most = CACHED / (p->m * (int64_t)sizeof(real) + STRIP);
    return even_piece(p->k, most);
}

static tiling tiling_of(const bpi_product *p, int64_t rows, void *panel) {
    tiling g = {.rows = even_piece(rows, ROWS), .depth = depth_of(p), .panel = panel};
    const bool many = rows >= SOME_ROWS, in_place = reads_in_place(p);
    const int64_t most = BPI_GEMM_PANEL / (int64_t)sizeof(vec) / g.depth;
    g.pack = p->transpose_b || (many && !in_place);
    g.copy = BPI_VEC_BITS == 256 && g.pack && !p->transpose_b;
    g.wide = widest[g.rows];
    if (g.pack && g.wide > most)
        g.wide = most;
    g.chunk = g.pack && BPI_VEC_BITS < 512 ? most / g.wide * g.wide : g.wide;
    if (HAS_THREES && g.wide == 2 && rows > ROWS)
        g.panels = in_place ? THREES : LAST_IS_THREE;
    return g;
}

/* The same, for panels of three vectors. */
static tiling tiling_of_threes(tiling g, int64_t rows) {
    g.rows = even_piece(rows, ROWS_OF_THREE);
    g.wide = g.chunk = THREE;
    return g;
}

/* Columns of c, with what is added to them in one go: steps of k from k0 on, b beginning there. */
typedef struct chunk {
    int64_t k0, column, columns;
    const real *b;
} chunk;

/* Packs `columns` columns of a chunk from its column j on. */
static void pack_panel(const bpi_product *p, const chunk *h, int64_t k, int64_t j, int64_t columns,
                       real *panel) {
    const real *b = h->b + j * (p->transpose_b ? p->ldb : 1);
    (p->transpose_b ? pack_columns : pack_rows)(b, p->ldb, k, columns, vectors_of(columns) * LANES,
                                                panel);
}

/* One tile of c at row i and column j of the chunk; `first` if no other has met this panel of b. */
static void run_at(const bpi_gemm_work *work, const tiling *g, tile_call *t, const chunk *h,
                   int64_t i, int64_t rows, int64_t j, bool first) {
    const bpi_product *p = work->product;
    const int64_t columns = h->columns - j < g->wide * LANES ? h->columns - j : g->wide * LANES;
    const int64_t wide = vectors_of(columns);
    tile *run = tiles[rows][wide];
    t->copy = g->panel + j * t->k;
    t->column = h->column + j;
    t->end_c = t->end_b = last_vector(columns);
    t->last = (size_t)(columns - t->end_c);
    t->c = (real *)work->c + i * p->ldc + t->column;
    t->packed = g->pack;
    t->b = h->b + j;
    t->ldb = p->ldb;
    if (first && g->copy && copying_tile(rows, wide)) {
        run = copying_tile(rows, wide);
        t->packed = false;
    } else if (first && g->pack) {
        pack_panel(p, h, t->k, j, columns, t->copy);
    }
    if (t->packed) {
        t->b = t->copy;
        t->ldb = wide * LANES;
        t->end_b = (wide - 1) * LANES;
    }
    run(t);
}

/* Computes the rows of one tile after the other, each in all panels of the chunk. */
static void run_chunk(const bpi_gemm_work *work, const bpi_block *block, const tiling *g,
                      tile_call *t, const chunk *h) {
    const bpi_product *p = work->product;
    const real *a = (const real *)work->a + (p->transpose_a ? h->k0 * p->lda : h->k0);
    int64_t left = (block->row_end - block->row + g->rows - 1) / g->rows;
    t->next->pause = left; /* then all is fetched when the chunk is done */
    for (int64_t i = block->row, rows; i < block->row_end; i += rows, left--) {
        rows = (block->row_end - i + left - 1) / left;
        t->a = a + i * t->row_a;
        for (int64_t j = 0; j < h->columns; j += g->wide * LANES)
            run_at(work, g, t, h, i, rows, j, i == block->row);
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

/* How many of all `vectors` of c go in panels of three: of THREES all but one or two of two. */
static int64_t threes_of(int64_t vectors, const tiling *g) {
    if (g->panels == ALL_WIDE || vectors < THREE)
        return 0;
    if (g->panels == LAST_IS_THREE)
        return vectors % 2 == 1 ? THREE : 0;
    return vectors % 3 == 0 ? vectors : vectors - (vectors % 3 == 1 ? 4 : 2);
}

/* How many of `vectors` the next chunk takes: as many chunks as there must be, as even as they can
 * be in whole panels, or in vectors where a chunk is one panel. */
static int64_t next_chunk(int64_t vectors, const tiling *g) {
    if (vectors <= g->chunk)
        return vectors;
    const int64_t unit = g->chunk > g->wide ? g->wide : 1;
    return even_piece((vectors + unit - 1) / unit, g->chunk / unit) * unit;
}

/* The rows of a that go through all chunks together stay in the second cache, or nearly so: what is
 * left of it is read ahead, while b would be packed once more for every block. */
static int64_t block_rows(int64_t depth) {
    enum { BLOCK = 512 * 1024 * 8 / BPI_BITS };
    return BPI_VEC_BITS == 256 ? BLOCK / depth : 30 * ROWS * 32 / BPI_BITS;
}

/* Where b begins for the steps from k0 on and a column. */
static const real *at_in_b(const bpi_gemm_work *work, int64_t k0, int64_t column) {
    const bpi_product *p = work->product;
    return (const real *)work->b + (p->transpose_b ? column * p->ldb + k0 : k0 * p->ldb + column);
}

/* What is read of b behind a chunk: as many columns of the next ones, or of the next steps. There is
 * none where b is not packed, or so small that the second cache has it already. */
static fetching behind(const bpi_gemm_work *work, const bpi_block *block, const tiling *g,
                       const chunk *h) {
    enum { IN_CACHE = 1000000 };
    const bpi_product *p = work->product;
    int64_t k0 = h->k0, column = h->column + h->columns;
    if (column >= block->column_end) {
        k0 += g->depth;
        column = block->column;
    }
    if (!g->pack || k0 >= p->k || (double)p->k * (double)p->n * sizeof(real) < IN_CACHE)
        return (fetching){0};
    const int64_t depth = p->k - k0 < g->depth ? p->k - k0 : g->depth;
    const int64_t left = block->column_end - column, columns = left < h->columns ? left : h->columns;
    return (fetching){.at = (const char *)at_in_b(work, k0, column),
                      .rows = p->transpose_b ? columns : depth,
                      .stride = p->ldb * (int64_t)sizeof(real),
                      .bytes = (p->transpose_b ? depth : columns) * (int64_t)sizeof(real)};
}

/* Adds the steps of h to the columns of a block from h->column to `end`. */
static void run_columns(const bpi_gemm_work *work, const bpi_block *block, const tiling *g,
                        tile_call *t, chunk *h, int64_t end) {
    *t->next = (fetching){0};
    for (; h->column < end; h->column += h->columns) {
        const int64_t left = end - h->column, width = next_chunk(vectors_of(left), g) * LANES;
        h->columns = left < width ? left : width;
        h->b = at_in_b(work, h->k0, h->column);
        if (may_fetch(g->rows, g->wide))
            *t->next = behind(work, block, g, h);
        run_chunk(work, block, g, t, h);
    }
}

static void run_rows(const bpi_gemm_work *work, const bpi_block *block, const tiling *g,
                     tile_call *t) {
    const bpi_product *p = work->product;
    const int64_t vectors = vectors_of(block->column_end - block->column);
    const int64_t threes = threes_of(vectors, g);
    const int64_t end = threes ? block->column + (vectors - threes) * LANES : block->column_end;
    tiling of_three;
    if (threes)
        of_three = tiling_of_threes(*g, block->row_end - block->row);
    for (chunk h = {0}; h.k0 < p->k || h.k0 == 0; h.k0 += g->depth) {
        t->k = p->k - h.k0 < g->depth ? p->k - h.k0 : g->depth;
        t->finish = finish_at(work, h.k0, g->depth);
        t->outcome = outcome_of(&t->finish);
        h.column = block->column;
        run_columns(work, block, g, t, &h, end);
        if (threes)
            run_columns(work, block, &of_three, t, &h, block->column_end);
    }
}

static void gemm_tiles(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    const bpi_product *p = work->product;
    int64_t rows = even_piece(block->row_end - block->row, block_rows(depth_of(p)));
    tiling g = tiling_of(p, rows, panel);
    fetching next = {0};
    tile_call t = {.row_a = p->transpose_a ? 1 : p->lda,
                   .step_a = p->transpose_a ? p->lda : 1,
                   .ldc = p->ldc,
                   .next = &next};
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
                                    .width = (BPI_VEC_BITS == 256 ? 4 : 1) * WIDE * LANES,
                                    .lanes = LANES};
