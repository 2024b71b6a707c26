/* Matrix products in tiles of registers. Compiled once per instruction set and per float type; settings:
 * BPI_BITS (32 or 64) and BPI_TABLE, the name of its table.
 *
 * A tile is ROWS x WIDE vectors of c, kept in registers while k runs: per step WIDE loads of a row of b
 * and, per row, one broadcast of an element of a. The elements of a are read where they are, in either
 * orientation; b is read where it is when few rows of c use it, and else packed, panel by panel, into a
 * buffer that stays in the first cache. This is the inner part of the method of Goto and van de Geijn,
 * "Anatomy of high-performance matrix multiplication", 2008, without its packing of a.
 *
 * Every element of c is the sum over blocks of k of sums in the order of k: the same bits however c is
 * cut into tiles. */
#include "gemm_simd.h"

#include "vec.h"

#if BPI_VEC_BITS == 512
enum { ROWS = 8, WIDE = 3 };
#else
enum { ROWS = 6, WIDE = 2 };
#endif

/* Depth of a block of k: a packed panel and the rows of a fit the first cache of 48 KB (32 KB). */
enum { DEPTH = BPI_VEC_BITS == 512 ? 208 : 256 };

/* One tile: k steps, `last` lanes of the last vector in use. */
typedef struct tile_call {
    int64_t k;
    const real *a, *b;
    real *c;
    int64_t row_a, step_a; /* from one row of the tile, and one step of k, to the next */
    int64_t ldb, ldc;
    size_t last;
    real alpha;
    bool add;
} tile_call;

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void store_tile(const tile_call *t, int rows, int wide, const vec *sum)
{
    vec alpha = v_set(t->alpha);
    V_UNROLL
    for (int i = 0; i < rows; i++) {
        real *c = t->c + i * t->ldc;
        V_UNROLL
        for (int j = 0; j < wide; j++) {
            bool part = j == wide - 1 && t->last < LANES;
            real *at = c + j * LANES;
            vec value = v_mul(alpha, sum[i * wide + j]);
            if (t->add)
                value = v_add(part ? v_load_part(at, t->last) : v_load(at), value);
            if (part)
                v_store_part(at, value, t->last);
            else
                v_store(at, value);
        }
    }
}

ALWAYS_INLINE void sum_tile(const tile_call *t, int rows, int wide, bool part, vec *sum)
{
    const real *a = t->a, *b = t->b;
    for (int64_t k = 0; k < t->k; k++, a += t->step_a, b += t->ldb) {
        vec row[8];
        V_UNROLL
        for (int j = 0; j < wide; j++)
            row[j] = part && j == wide - 1 ? v_load_part(b + j * LANES, t->last)
                                           : v_load(b + j * LANES);
        V_UNROLL
        for (int i = 0; i < rows; i++) {
            vec x = v_set(a[i * t->row_a]);
            V_UNROLL
            for (int j = 0; j < wide; j++)
                sum[i * wide + j] = v_fma(x, row[j], sum[i * wide + j]);
        }
    }
}

ALWAYS_INLINE void run_tile(const tile_call *t, int rows, int wide)
{
    vec sum[24];
    V_UNROLL
    for (int i = 0; i < rows * wide; i++)
        sum[i] = v_set(0);
    if (t->last < LANES)
        sum_tile(t, rows, wide, true, sum);
    else
        sum_tile(t, rows, wide, false, sum);
    store_tile(t, rows, wide, sum);
}

/* The sizes of tiles that there are: few rows are as wide as the registers allow, for the latency of a
 * fused multiply-add is 4 steps and a product with few rows has nothing else to overlap. */
#define FEW_ROWS(X) X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8) \
    X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(4, 1) X(4, 2) X(5, 1) X(5, 2) \
    X(6, 1) X(6, 2)
#if BPI_VEC_BITS == 512
#define TILES(X) FEW_ROWS(X) X(2, 5) X(2, 6) X(2, 7) X(2, 8) X(3, 5) X(3, 6) X(4, 3) X(4, 4) X(4, 5) \
    X(4, 6) X(5, 3) X(6, 3) X(7, 1) X(7, 2) X(7, 3) X(8, 1) X(8, 2) X(8, 3)
static const int widest[ROWS + 1] = {0, 8, 8, 6, 6, 3, 3, 3, 3};
#else
#define TILES(X) FEW_ROWS(X)
static const int widest[ROWS + 1] = {0, 8, 4, 4, 2, 2, 2};
#endif

typedef void tile_function(const tile_call *t);
#define TILE(rows, wide) \
    static void tile_##rows##_##wide(const tile_call *t) { run_tile(t, rows, wide); }
TILES(TILE)
#define TILE_ENTRY(rows, wide) [rows][wide] = tile_##rows##_##wide,
static tile_function *const tiles[ROWS + 1][9] = {TILES(TILE_ENTRY)};

/* ---- packing ---------------------------------------------------------------------------------- */

/* Copies k rows of `columns` columns of b into rows of `width`, a multiple of LANES, zeros behind. */
static void pack_rows(const real *b, int64_t ldb, int64_t k, int64_t columns, int64_t width, real *panel)
{
    for (int64_t r = 0; r < k; r++, b += ldb, panel += width) {
        int64_t j = 0;
        for (; j + LANES <= columns; j += LANES)
            v_store(panel + j, v_load(b + j));
        if (j < columns)
            v_store(panel + j, v_load_part(b + j, (size_t)(columns - j)));
    }
}

/* As pack_rows, from b stored transposed: element (r, j) is b[j * ldb + r]. Rows of b are read in strips,
 * so that both sides stay in the first cache. */
static void pack_columns(const real *b, int64_t ldb, int64_t k, int64_t columns, int64_t width,
                         real *panel)
{
    enum { STRIP = 16 };
    for (int64_t r0 = 0; r0 < k; r0 += STRIP) {
        int64_t r1 = r0 + STRIP < k ? r0 + STRIP : k;
        for (int64_t j = 0; j < columns; j++)
            for (int64_t r = r0; r < r1; r++)
                panel[r * width + j] = b[j * ldb + r];
        for (int64_t r = r0; r < r1; r++)
            for (int64_t j = columns; j < width; j++)
                panel[r * width + j] = 0;
    }
}

/* ---- the product ------------------------------------------------------------------------------ */

/* Cuts `count` into pieces of at most `most`, as even as they can be: the size of a piece. */
static int64_t even_piece(int64_t count, int64_t most)
{
    int64_t pieces = (count + most - 1) / most;
    return pieces > 0 ? (count + pieces - 1) / pieces : most;
}

/* Few rows use b too seldom to pay for packing it, unless it lies across. */
enum { ROWS_WORTH_PACKING = 4 * ROWS };

/* Computes rows first..end of c for columns j.. of `columns`, k from k0 for `depth` steps. */
static void run_panel(const bpi_product *p, tile_call t, const real *a, real *c, int64_t first,
                      int64_t end, int64_t k0, int wide)
{
    int64_t piece = even_piece(end - first, ROWS);
    for (int64_t i = first; i < end; i += piece) {
        int64_t rows = end - i < piece ? end - i : piece;
        t.a = a + (p->transpose_a ? k0 * p->lda + i : i * p->lda + k0);
        t.c = c + i * p->ldc;
        tiles[rows][wide](&t);
    }
}

static void gemm_rows(const bpi_product *p, real alpha, const real *a, const real *b, real *c,
                      int64_t first, int64_t end, real *panel)
{
    int64_t rows = even_piece(end - first, ROWS);
    int64_t width = (int64_t)widest[rows < ROWS ? rows : ROWS] * LANES;
    bool pack = p->transpose_b || end - first >= ROWS_WORTH_PACKING;
    int64_t depth = pack ? even_piece(p->k, DEPTH * (WIDE * LANES) / width) : p->k;
    tile_call t = {.row_a = p->transpose_a ? 1 : p->lda, .step_a = p->transpose_a ? p->lda : 1,
                   .ldc = p->ldc, .alpha = alpha};
    for (int64_t k0 = 0; k0 < p->k || k0 == 0; k0 += depth) {
        t.k = p->k - k0 < depth ? p->k - k0 : depth;
        t.add = p->add || k0 > 0;
        for (int64_t j = 0; j < p->n; j += width) {
            int64_t columns = p->n - j < width ? p->n - j : width;
            int wide = (int)((columns + LANES - 1) / LANES);
            t.last = (size_t)(columns - (wide - 1) * LANES);
            t.b = p->transpose_b ? b + j * p->ldb + k0 : b + k0 * p->ldb + j;
            t.ldb = pack ? wide * LANES : p->ldb;
            if (pack)
                (p->transpose_b ? pack_columns : pack_rows)(t.b, p->ldb, t.k, columns, t.ldb, panel);
            if (pack)
                t.b = panel;
            run_panel(p, t, a, c + j, first, end, k0, wide);
        }
        if (depth == 0)
            break;
    }
}

#if BPI_BITS == 32
const bpi_gemm_table_f32 BPI_TABLE = {gemm_rows};
#else
const bpi_gemm_table_f64 BPI_TABLE = {gemm_rows};
#endif
