/* Tiles of c that are kept in registers while k runs: per step WIDE loads of a row of b and, per
 * row of c, one broadcast of an element of a. In the end they are finished and stored. */
#ifndef BPI_KERNEL_GEMM_TILE_H
#define BPI_KERNEL_GEMM_TILE_H

#include "gemm_finish.h"
#include "gemm_pack.h"

#if BPI_VEC_BITS == 512
enum { ROWS = 8, WIDE = 3 };
#else
enum { ROWS = 6, WIDE = 2 };
#endif

/* What tiles fetch into the second cache meanwhile: rows of `bytes` each, `stride` bytes apart, from
 * `at` on, of which `done` bytes are; a line every `pause` steps. */
typedef struct fetching {
    const char *at;
    int64_t rows, stride, bytes, done, pause;
} fetching;

/* One tile: k steps; `column` is its first one in c. With masks, its last vector has `last` lanes;
 * else that ends where the columns do and repeats some of those before, unless these are fewer than
 * a vector's. */
typedef struct tile_call {
    int64_t k, column;
    const real *a, *b;
    real *c;
    int64_t row_a, step_a; /* from one row of the tile, and one step of k, to the next */
    int64_t ldb, ldc;
    int64_t end_b, end_c; /* from the first column to the last vector */
    real *copy;           /* where a copying tile packs b */
    bool packed;          /* b is, so that there are whole vectors to read */
    size_t last;
    finish finish;
    enum outcome outcome; /* of `finish` */
    fetching *next;       /* with AVX2: rows of b to be packed next; or none */
} tile_call;

typedef void tile(const tile_call *t);

/* Rows of b are fetched so many steps ahead where it is not packed and may come from afar: so few
 * rows of c are computed as fast as they can be read. */
enum { FEW_ROWS_OF_C = 2, AHEAD = 12 };

/* Tells whether tiles of a size fetch: with AVX2, whose CPUs have small first and second caches, those
 * that do most of the work. */
ALWAYS_INLINE bool may_fetch(int rows, int wide) {
    return BPI_VEC_BITS == 256 && rows >= ROWS - 1 && wide == WIDE;
}

/* How b is read: in whole vectors, with a last one of `last` lanes, or in whole vectors that are
 * copied. */
enum reading { WHOLE, PARTLY, COPYING };

/* One step of k: a row of b, and for each row of the tile an element of a. */
ALWAYS_INLINE void sum_step(const tile_call *t, int rows, int wide, enum reading how, const real *a,
                            const real *b, real *copy, vec *sum) {
    const int64_t end = PARTS_ARE_FREE ? (wide - 1) * LANES : t->end_b;
    vec row[8];
    V_UNROLL
    for (int j = 0; j < wide; j++) {
        const real *at = j < wide - 1 ? b + j * LANES : wide > 1 ? b + end : b;
        if (rows <= FEW_ROWS_OF_C || how == COPYING)
            __builtin_prefetch(at + AHEAD * t->ldb);
        row[j] = j == wide - 1 && how == PARTLY ? v_load_part(at, t->last) : v_load(at);
        if (how == COPYING)
            v_store(copy + j * LANES, row[j]);
    }
    V_UNROLL
    for (int i = 0; i < rows; i++) {
        vec x = v_set(a[i * t->row_a]);
        V_UNROLL
        for (int j = 0; j < wide; j++)
            sum[i * wide + j] = v_fma(x, row[j], sum[i * wide + j]);
    }
}

ALWAYS_INLINE void fetch_line(fetching *f) {
    __builtin_prefetch(f->at + f->done, 0, 2);
    f->done += 64;
    if (f->done >= f->bytes) {
        f->done = 0;
        f->at += f->stride;
        f->rows--;
    }
}

ALWAYS_INLINE void sum_tile(const tile_call *t, int rows, int wide, enum reading how, vec *sum) {
    const real *a = t->a, *b = t->b;
    real *copy = t->copy;
    int64_t k = 0;
    if (may_fetch(rows, wide) && how == WHOLE)
        for (fetching *f = t->next; f->rows > 0 && k < t->k;) {
            const int64_t end = t->k - k < f->pause ? t->k : k + f->pause;
            fetch_line(f);
            for (; k < end; k++, a += t->step_a, b += t->ldb)
                sum_step(t, rows, wide, WHOLE, a, b, copy, sum);
        }
    for (; k < t->k; k++, a += t->step_a, b += t->ldb, copy += wide * LANES)
        sum_step(t, rows, wide, how, a, b, copy, sum);
}

/* The largest tiles go from registers to memory without branches, which with little depth would
 * take as long as the sums. A row is read before it is written, for its last vectors may share
 * columns. */
ALWAYS_INLINE void store_sums(const tile_call *t, int rows, int wide, const vec *sum, bool add) {
    const vec alpha = v_set(t->finish.alpha), beta = v_set(t->finish.beta);
    const int64_t ldc = t->ldc, end = t->end_c;
    real *c = t->c;
    V_UNROLL
    for (int i = 0; i < rows; i++, c += ldc) {
        vec value[8];
        V_UNROLL
        for (int j = 0; j < wide; j++) {
            value[j] = v_mul(alpha, sum[i * wide + j]);
            if (add)
                value[j] = v_fma(beta, v_load(c + (j < wide - 1 ? j * LANES : end)), value[j]);
        }
        V_UNROLL
        for (int j = 0; j < wide; j++)
            v_store(c + (j < wide - 1 ? j * LANES : end), value[j]);
    }
}

/* The same where another array moves: with beta, without bias and relu. */
ALWAYS_INLINE void store_moving(const tile_call *t, int rows, int wide, const vec *sum) {
    const finish f = t->finish; /* not to be read again after every store */
    const vec alpha = v_set(f.alpha), beta = v_set(f.beta), rate = v_set(f.rate);
    const int64_t ldc = t->ldc, end = t->end_c;
    real *c = t->c;
    for (int i = 0; i < rows; i++, c += ldc, sum += wide) {
        const vec last = v_load(c + end), last_moved = v_load(moved_by(&f, c + end));
        V_UNROLL
        for (int j = 0; j < wide - 1; j++) {
            real *at = c + j * LANES, *moved = moved_by(&f, at);
            const vec value = v_fma(beta, v_load(at), v_mul(alpha, sum[j]));
            v_store(at, value);
            v_store(moved, v_fnma(rate, value, v_load(moved)));
        }
        const vec value = v_fma(beta, last, v_mul(alpha, sum[wide - 1]));
        v_store(c + end, value);
        v_store(moved_by(&f, c + end), v_fnma(rate, value, last_moved));
    }
}

static __attribute__((noinline, unused)) void store_moving_2(const tile_call *t, int rows,
                                                             const vec *sum) {
    store_moving(t, rows, 2, sum);
}
static __attribute__((noinline, unused)) void store_moving_3(const tile_call *t, int rows,
                                                             const vec *sum) {
    store_moving(t, rows, 3, sum);
}

/* What is done once per tile, not once per step of k, is one function for all sizes: inlined into
 * each it would be most of the code. */
static __attribute__((noinline)) void store_tile(const tile_call *t, int rows, int wide,
                                                 const vec *sum) {
    const finish f = t->finish; /* not to be read again after every store */
    const size_t last = t->last;
    const int64_t column = t->column, ldc = t->ldc, end = t->end_c;
    const bool part = last < LANES;
    real *c = t->c;
    for (int i = 0; t->outcome == GIVEN && i < rows; i++, c += ldc, sum += wide) {
        for (int j = 0; j < wide - 1; j++)
            v_store(c + j * LANES, v_mul(v_set(f.alpha), sum[j]));
        write_vector(c + end, v_mul(v_set(f.alpha), sum[wide - 1]), part, last);
    }
    for (int i = 0; t->outcome != GIVEN && i < rows; i++, c += ldc, sum += wide) {
        const held was = part ? read_held(&f, c + end, true, last)
                              : read_held(&f, c + end, false, LANES);
        for (int j = 0; j < wide - 1; j++)
            store_sum(&f, sum[j], c + j * LANES, column + j * LANES, false, LANES);
        if (part)
            store_onto(&f, sum[wide - 1], was, c + end, column + end, true, last);
        else
            store_onto(&f, sum[wide - 1], was, c + end, column + end, false, LANES);
    }
}

/* A last vector that is always read as part of one saves a second loop. With the masks of 512 bits
 * that costs nothing, and with those of 256 bits little where rows are few. */
ALWAYS_INLINE bool reads_partly(int rows, int wide) {
    return PARTS_ARE_FREE || (BPI_VEC_BITS == 256 && wide == 1 && rows < 4);
}

ALWAYS_INLINE void run_tile(const tile_call *t, int rows, int wide, bool copying) {
    vec sum[24], done[24];
    V_UNROLL
    for (int i = 0; i < rows * wide; i++)
        sum[i] = v_set(0);
    if (copying)
        sum_tile(t, rows, wide, COPYING, sum);
    else if (reads_partly(rows, wide) || (wide == 1 && t->last < LANES && !t->packed))
        sum_tile(t, rows, wide, PARTLY, sum);
    else
        sum_tile(t, rows, wide, WHOLE, sum);
    const bool large = BPI_VEC_BITS == 256 && (wide == 2 ? rows >= 5 : wide == 3 && rows == 4);
    if (large && t->outcome == GIVEN) {
        store_sums(t, rows, wide, sum, false);
        return;
    }
    if (large && t->outcome <= SCALED && !t->finish.moved) {
        store_sums(t, rows, wide, sum, true);
        return;
    }
    V_UNROLL
    for (int i = 0; i < rows * wide; i++)
        done[i] = sum[i]; /* a copy, so that the sums stay in registers */
    if (large && t->outcome == SCALED)
        (wide == 2 ? store_moving_2 : store_moving_3)(t, rows, done);
    else
        store_tile(t, rows, wide, done);
}

/* The sizes of tiles that there are: few rows are as wide as the registers allow, for the latency
 * of a fused multiply-add is 4 steps and a product with few rows has nothing else to overlap. */
#define FEW_ROWS(X) \
    X(1, 1)         \
    X(1, 2)         \
    X(1, 3) X(1, 4) X(2, 1) X(2, 2) X(3, 1) X(3, 2) X(4, 1) X(4, 2) X(5, 1) X(5, 2) X(6, 1) X(6, 2)
#define WIDER(X) X(2, 3) X(2, 4) X(3, 3) X(3, 4) X(4, 3)
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
    X(3, 6) X(4, 4) X(4, 5) X(4, 6) X(5, 3) X(6, 3) X(7, 1) X(7, 2) X(7, 3) X(8, 1) \
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
    static void tile_##rows##_##wide(const tile_call *t) { run_tile(t, rows, wide, false); }
TILES(TILE)
#define TILE_ENTRY(rows, wide) [rows][wide] = tile_##rows##_##wide,

/* By rows and vectors. */
static tile *const tiles[ROWS + 1][9] = {TILES(TILE_ENTRY)};

#if BPI_VEC_BITS == 256
/* Tiles that pack the whole panel of b that they read, for the tiles below them: a pass that only
 * packs would wait for memory, with nothing to compute meanwhile. */
static void copying_5_2(const tile_call *t) { run_tile(t, 5, 2, true); }
static void copying_6_2(const tile_call *t) { run_tile(t, 6, 2, true); }
static void copying_4_3(const tile_call *t) { run_tile(t, 4, 3, true); }
#endif

/* The one of that size; NULL where there is none. */
static inline tile *copying_tile(int64_t rows, int64_t wide) {
#if BPI_VEC_BITS == 256
    if (wide == 2)
        return rows == 6 ? copying_6_2 : rows == 5 ? copying_5_2 : NULL;
    if (wide == 3 && rows == 4)
        return copying_4_3;
#endif
    (void)rows, (void)wide;
    return NULL;
}

#endif
