/* Matrix products in tiles of registers. Compiled once per instruction set and per float type;
 * settings: BPI_BITS (32 or 64) and BPI_TABLE, the name of its table.
 *
 * The elements of a are read where they are, in either orientation; b is read where it is when few
 * rows of c use it, and else packed, panel by panel: one panel that stays in the first cache while
 * all rows meet it, or where this cache is small several in the second, which the rows of one tile
 * meet one after the other. This is the inner part of the method of Goto and van de Geijn, "Anatomy
 * of high-performance matrix multiplication", 2008, without its packing of a.
 *
 * In tiles, every element of c is the sum over blocks of k, whose depth follows from k and from how
 * a is stored, of sums in the order of k: the same bits however c is cut into tiles and blocks. */
#include "gemm_simd.h"

#include "gemm_few.h"
#include "gemm_flat.h"
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

static int64_t whole_vectors(int64_t count) { return (count + LANES - 1) / LANES * LANES; }

/* Few rows use b too seldom to pay for packing it, unless it lies across. */
enum { ROWS_WORTH_PACKING = 4 * ROWS };

/* How a block of c is computed. */
typedef struct tiling {
    int64_t rows, width, depth; /* of a tile at most */
    int64_t chunk;              /* panels of b that are packed at once */
    bool pack, copy;            /* b; and its whole panels by the first tiles that use them */
    real *panel;                /* where b is packed */
} tiling;

static int64_t depth_of(const bpi_product *p) {
    return even_piece(p->k, p->transpose_a ? DEPTH_ACROSS : DEPTH);
}

static tiling tiling_of(const bpi_product *p, int64_t rows, void *panel) {
    tiling g = {.rows = even_piece(rows, ROWS), .depth = depth_of(p), .chunk = 1};
    const bool many = rows >= ROWS_WORTH_PACKING;
    g.pack = p->transpose_b || many;
    g.copy = BPI_VEC_BITS == 256 && many && !p->transpose_b;
    g.width = widest[g.rows];
    const int64_t vectors = BPI_GEMM_PANEL / (int64_t)sizeof(vec) / g.depth;
    if (g.pack && g.width > vectors)
        g.width = vectors;
    if (g.pack && BPI_VEC_BITS < 512)
        g.chunk = vectors / g.width;
    g.width *= LANES;
    g.panel = panel;
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
    (p->transpose_b ? pack_columns : pack_rows)(b, p->ldb, k, columns, whole_vectors(columns),
                                                panel);
}

/* One tile of c at row i and column j of the chunk; `first` if no other has met this panel of b. */
static void run_at(const bpi_gemm_work *work, const tiling *g, tile_call *t, const chunk *h,
                   int64_t i, int64_t rows, int64_t j, bool first) {
    const bpi_product *p = work->product;
    const int64_t columns = h->columns - j < g->width ? h->columns - j : g->width;
    const int wide = (int)(whole_vectors(columns) / LANES);
    const bool copy = first && g->copy && rows >= ROWS - 1 && columns == WIDE * LANES;
    t->copy = g->panel + j * t->k;
    if (first && g->pack && !copy)
        pack_panel(p, h, t->k, j, columns, t->copy);
    t->column = h->column + j;
    t->last = (size_t)(columns - (wide - 1) * LANES);
    t->c = (real *)work->c + i * p->ldc + t->column;
    t->packed = g->pack && !copy;
    t->b = t->packed ? t->copy : h->b + j;
    t->ldb = t->packed ? wide * LANES : p->ldb;
#if BPI_VEC_BITS == 256
    if (copy) {
        copying_tiles[rows](t);
        return;
    }
#endif
    tiles[rows][wide](t);
}

/* Computes the rows of one tile after the other, each in all panels of the chunk. */
static void run_chunk(const bpi_gemm_work *work, const bpi_block *block, const tiling *g,
                      tile_call *t, const chunk *h) {
    const bpi_product *p = work->product;
    const real *a = (const real *)work->a + (p->transpose_a ? h->k0 * p->lda : h->k0);
    int64_t left = (block->row_end - block->row + g->rows - 1) / g->rows;
    for (int64_t i = block->row, rows; i < block->row_end; i += rows, left--) {
        rows = (block->row_end - i) / left;
        t->a = a + i * t->row_a;
        for (int64_t j = 0; j < h->columns; j += g->width)
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

/* How many of the `left` columns the next chunk takes: as many chunks as there must be, as even as
 * they can be in panels, or in vectors where a chunk is one panel. */
static int64_t chunk_width(int64_t left, const tiling *g) {
    int64_t unit = g->chunk > 1 ? g->width : LANES, width = g->chunk * g->width;
    if (left > width)
        width = even_piece((left + unit - 1) / unit, width / unit) * unit;
    return left < width ? left : width;
}

/* The rows of a that go through all chunks together stay in the second cache, or nearly so: what is
 * left of it is read ahead, while b would be packed once more for every block. */
static int64_t block_rows(int64_t depth) {
    enum { BLOCK = 512 * 1024 * 8 / BPI_BITS };
    return BPI_VEC_BITS == 256 ? BLOCK / depth : 30 * ROWS * 32 / BPI_BITS;
}

static void run_rows(const bpi_gemm_work *work, const bpi_block *block, const tiling *g,
                     tile_call *t) {
    const bpi_product *p = work->product;
    const real *b = work->b;
    for (chunk h = {0}; h.k0 < p->k || h.k0 == 0; h.k0 += g->depth) {
        t->k = p->k - h.k0 < g->depth ? p->k - h.k0 : g->depth;
        t->finish = finish_at(work, h.k0, g->depth);
        t->outcome = outcome_of(&t->finish);
        for (h.column = block->column; h.column < block->column_end; h.column += h.columns) {
            h.columns = chunk_width(block->column_end - h.column, g);
            h.b = b + (p->transpose_b ? h.column * p->ldb + h.k0 : h.k0 * p->ldb + h.column);
            run_chunk(work, block, g, t, &h);
        }
    }
}

static void gemm_tiles(const bpi_gemm_work *work, const bpi_block *block, void *panel) {
    const bpi_product *p = work->product;
    int64_t rows = even_piece(block->row_end - block->row, block_rows(depth_of(p)));
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
                                    .width = (BPI_VEC_BITS == 256 ? 4 : 1) * WIDE * LANES,
                                    .lanes = LANES};
