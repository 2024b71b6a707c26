/* Running a chain: the domain is cut into blocks that fit the first-level cache, some whole rows of it or
 * a part of one, and all ops run on a block before the next one.
 *
 * For each block every operand is a contiguous run of elements: as it lies in memory where it has the
 * shape of the domain, else out of a small buffer that it is spread into; a scalar, or a row that repeats,
 * is spread only once. Dimensions that are contiguous in all operands are taken together first, so that
 * most cases are one row or a few long ones. The order of every sum depends on the shapes only. */
#include "chain.h"

#include <string.h>

#include "kernel/reduce.h"

enum { BLOCK = 512 }; /* elements */

/* ---- preparing ---------------------------------------------------------------------------------- */

/* Strides of an operand along the dimensions of the domain. */
static void broadcast_strides(const bp_shape *x, const bp_shape *y, int64_t *stride) {
    int64_t step = 1;
    for (int k = y->rank - 1, j = x->rank - 1; k >= 0; k--, j--) {
        stride[k] = j >= 0 && x->size[j] != 1 ? step : 0;
        step *= j >= 0 ? x->size[j] : 1;
    }
}

/* Tells whether a dimension continues dimension `before` in all operands. */
static bool continues(const bpi_chain *c, int before, const int64_t *stride, int64_t size) {
    for (int i = 0; i < c->inputs; i++)
        if (c->feed[i].stride[before] != stride[i] * size)
            return false;
    return true;
}

/* Tells whether a sum leaves a row that begins at dimension `k`: it is not taken together with the one
 * before it. `rest` is the number of elements from there on. */
static bool row_begins(const bpi_chain *c, int64_t rest) {
    for (int i = 0; i < c->sums; i++)
        if (c->sum[i].row == rest && rest > 1)
            return true;
    return false;
}

/* Takes dimensions together where that is possible and leaves out those of size 1. */
static void collapse(bpi_chain *c, const bp_shape *y) {
    int64_t rest = c->count;
    c->rank = 0;
    for (int k = 0; k < y->rank; k++) {
        int64_t stride[BPI_CHAIN_INPUTS], size = y->size[k];
        for (int i = 0; i < c->inputs; i++)
            stride[i] = c->feed[i].stride[k];
        bool begins = row_begins(c, rest);
        rest = size > 0 ? rest / size : 0;
        if (size == 1)
            continue;
        bool joined = c->rank > 0 && !begins && continues(c, c->rank - 1, stride, size);
        int to = joined ? c->rank - 1 : c->rank++;
        c->size[to] = joined ? c->size[to] * size : size;
        for (int i = 0; i < c->inputs; i++)
            c->feed[i].stride[to] = stride[i];
    }
    c->row = c->rank ? c->size[c->rank - 1] : 1;
}

static bpi_feed_kind kind_of(const bpi_chain *c, const bpi_feed *x, int64_t own_count) {
    if (own_count == c->count)
        return BPI_FEED_WHOLE;
    for (int k = 0; k < c->rank - 1; k++)
        if (x->stride[k] != 0)
            return BPI_FEED_ROWS;
    /* One row for all; when it is long a block is a part of it, and must be looked for each time. */
    bool once = c->rank == 0 || x->stride[c->rank - 1] == 0 || c->row <= BLOCK;
    return once ? BPI_FEED_ONCE : BPI_FEED_ROWS;
}

void bpi_chain_prepare(bpi_chain *c, const bp_type *const *types, const bp_shape *domain) {
    c->count = bp_shape_count(*domain);
    for (int k = 0; k < c->inputs; k++) {
        c->feed[k].item = bp_dtype_size(types[k]->dtype);
        broadcast_strides(&types[k]->shape, domain, c->feed[k].stride);
    }
    collapse(c, domain);
    c->block = c->row >= BLOCK || c->row == 0 ? BLOCK : BLOCK / c->row * c->row;
    for (int k = 0; k < c->inputs; k++)
        c->feed[k].kind = kind_of(c, &c->feed[k], bp_shape_count(types[k]->shape));
}

/* Bytes for the values of one block, of any element type. */
static size_t buffer_bytes(const bpi_chain *c) {
    size_t elements = (size_t)(c->count < c->block ? c->count : c->block);
    return (elements * sizeof(double) + 63) / 64 * 64;
}

size_t bpi_chain_workspace(const bpi_chain *c) {
    size_t buffers = c->sums > 0; /* for the sums of a block */
    for (int k = 0; k < c->inputs; k++)
        buffers += c->feed[k].kind != BPI_FEED_WHOLE;
    for (int k = 0; k < c->ops; k++)
        buffers += c->op[k].output < 0;
    return buffers * buffer_bytes(c);
}

bool bpi_chain_may_overwrite(const bpi_chain *c, int input, int output) {
    int writer = -1;
    for (int k = 0; k < c->ops; k++)
        if (c->op[k].output == output)
            writer = k;
    if (writer < 0 || c->feed[input].kind != BPI_FEED_WHOLE ||
        c->feed[input].item != c->op[writer].item)
        return false;
    for (int k = writer + 1; k < c->ops; k++)
        for (int i = 0; i < c->op[k].inputs; i++)
            if (c->op[k].x[i] == input)
                return false;
    return true;
}

/* ---- spreading ---------------------------------------------------------------------------------- */

static void splat(size_t item, const void *from, void *to, int64_t n) {
    if (item == 4) {
        uint32_t value, *out = to;
        memcpy(&value, from, sizeof value);
        for (int64_t i = 0; i < n; i++)
            out[i] = value;
    } else if (item == 8) {
        uint64_t value, *out = to;
        memcpy(&value, from, sizeof value);
        for (int64_t i = 0; i < n; i++)
            out[i] = value;
    } else {
        memset(to, *(const unsigned char *)from, (size_t)n);
    }
}

static void copy_row(size_t item, const void *from, void *to, int64_t n) {
    if (item == 4 && n <= 16) { /* short rows are not worth a call */
        uint32_t *out = to;
        for (int64_t i = 0; i < n; i++)
            memcpy(&out[i], (const char *)from + 4 * i, 4);
    } else {
        memcpy(to, from, (size_t)n * item);
    }
}

/* Writes `n` elements of a row, from column `column` on. */
static void spread_row(const bpi_chain *c, const bpi_feed *x, const char *row, int64_t column,
                       int64_t n, char *to) {
    if (c->rank == 0 || x->stride[c->rank - 1] == 0)
        splat(x->item, row, to, n);
    else
        copy_row(x->item, row + (size_t)column * x->item, to, n);
}

/* The place of row number `row` of an operand, in elements; `index` becomes its position. */
static int64_t find_row(const bpi_chain *c, const bpi_feed *x, int64_t row, int64_t *index) {
    int64_t place = 0;
    for (int k = c->rank - 2; k >= 0; k--) {
        index[k] = k > 0 ? row % c->size[k] : row;
        row = k > 0 ? row / c->size[k] : 0;
        place += index[k] * x->stride[k];
    }
    return place;
}

static int64_t next_row(const bpi_chain *c, const bpi_feed *x, int64_t place, int64_t *index) {
    for (int k = c->rank - 2; k >= 0; k--) {
        place += x->stride[k];
        if (++index[k] < c->size[k])
            break;
        place -= index[k] * x->stride[k];
        index[k] = 0;
    }
    return place;
}

/* Writes elements first .. first+n of an operand, broadcast, to `to`: a part of a row, or whole rows. */
static void spread(const bpi_chain *c, const bpi_feed *x, const char *data, int64_t first,
                   int64_t n, char *to) {
    int64_t index[BP_MAX_RANK];
    int64_t column = first % c->row;
    int64_t place = find_row(c, x, first / c->row, index);
    for (int64_t done = 0; done < n; done += c->row) {
        int64_t part = n - done < c->row ? n - done : c->row;
        spread_row(c, x, data + (size_t)place * x->item, column, part, to + (size_t)done * x->item);
        place = next_row(c, x, place, index);
    }
}

/* ---- sums --------------------------------------------------------------------------------------- */

/* Adds the sums of the columns of a block to the row that is left: the block is whole rows of it, or a part
 * of one that begins at column first % row. */
static void add_rows(const bpi_chain *c, const bpi_chain_sum *sum, const void *x, int64_t first,
                     int64_t n, void *partial) {
    int64_t rows = n >= sum->row ? n / sum->row : 1;
    bpi_pass pass = {1, rows, n / rows};
    if (rows > 1)
        bpi_sum_pass(&pass, sum->dtype, x, partial);
    size_t column = (size_t)(first % sum->row) * bp_dtype_size(sum->dtype);
    char *to = (char *)c->y[sum->output] + column;
    const void *both[2] = {to, rows > 1 ? partial : x};
    bpi_map(BPI_MAP_ADD, sum->dtype)((size_t)pass.inner, both, to, NULL);
}

/* The sum of a block; the sums of blocks are added up in double precision. */
static double sum_block(const bpi_chain_sum *sum, const void *x, int64_t n, void *partial) {
    bpi_pass pass = {1, n, 1};
    bpi_sum_pass(&pass, sum->dtype, x, partial);
    return sum->dtype == BP_F64 ? *(double *)partial : (double)*(float *)partial;
}

static void store_total(const bpi_chain *c, const bpi_chain_sum *sum, double total) {
    if (sum->dtype == BP_F64)
        *(double *)c->y[sum->output] = total;
    else
        *(float *)c->y[sum->output] = (float)total;
}

/* ---- running ------------------------------------------------------------------------------------ */

/* How many elements from `first` on are the next block: never more than the rest of a long row. */
static int64_t block_at(const bpi_chain *c, int64_t first) {
    int64_t n = c->block;
    if (c->row > BLOCK && c->row - first % c->row < n)
        n = c->row - first % c->row;
    return c->count - first < n ? c->count - first : n;
}

/* Where the values of a block are. */
typedef struct values {
    char *at[BPI_CHAIN_INPUTS + BPI_CHAIN_OPS];
    char *partial;                /* room for the sums of a block */
    double total[BPI_CHAIN_SUMS]; /* so far, of sums over everything */
} values;

/* Gives a buffer to every value that has no memory of its own, and spreads what is spread once. */
static void start(const bpi_chain *c, values *v) {
    char *buffer = c->workspace;
    const size_t bytes = buffer_bytes(c);
    for (int k = 0; k < c->inputs; k++) {
        v->at[k] = (char *)c->x[k];
        if (c->feed[k].kind == BPI_FEED_WHOLE)
            continue;
        v->at[k] = buffer;
        buffer += bytes;
        if (c->feed[k].kind == BPI_FEED_ONCE)
            spread(c, &c->feed[k], c->x[k], 0, block_at(c, 0), v->at[k]);
    }
    for (int k = 0; k < c->ops; k++) {
        bool buffered = c->op[k].output < 0;
        v->at[c->inputs + k] = buffered ? buffer : c->y[c->op[k].output];
        buffer += buffered ? bytes : 0;
    }
    v->partial = buffer;
    for (int k = 0; k < c->sums; k++)
        v->total[k] = 0;
}

/* What is summed into begins with zeros. */
static void clear_rows(const bpi_chain *c) {
    for (int k = 0; k < c->sums; k++)
        memset(c->y[c->sum[k].output], 0, (size_t)c->sum[k].row * bp_dtype_size(c->sum[k].dtype));
}

static void sum_up(const bpi_chain *c, values *v, int64_t first, int64_t n) {
    for (int k = 0; k < c->sums; k++) {
        const bpi_chain_sum *sum = &c->sum[k];
        if (sum->row > 1)
            add_rows(c, sum, v->at[sum->value], first, n, v->partial);
        else
            v->total[k] += sum_block(sum, v->at[sum->value], n, v->partial);
    }
}

/* Makes elements first .. first+n of an operand that is not there as a whole: a part of a long row is used
 * where it lies. */
static void feed_rows(const bpi_chain *c, values *v, int k, int64_t first, int64_t n) {
    const bpi_feed *x = &c->feed[k];
    int64_t index[BP_MAX_RANK];
    if (c->row < BLOCK || x->stride[c->rank - 1] == 0)
        spread(c, x, c->x[k], first, n, v->at[k]);
    else
        v->at[k] = (char *)c->x[k] +
                   (size_t)(find_row(c, x, first / c->row, index) + first % c->row) * x->item;
}

static bp_status run_block(const bpi_chain *c, values *v, int64_t first, int64_t n) {
    for (int k = 0; k < c->inputs; k++)
        if (c->feed[k].kind == BPI_FEED_ROWS)
            feed_rows(c, v, k, first, n);
    bp_status status = BP_OK;
    for (int k = 0; k < c->ops && status == BP_OK; k++) {
        const bpi_chain_op *op = &c->op[k];
        const void *x[3] = {v->at[op->x[0]], v->at[op->x[1]], v->at[op->x[2]]};
        status = op->map((size_t)n, x, v->at[c->inputs + k], op->attr);
    }
    sum_up(c, v, first, n);
    return status;
}

/* Moves on by a block in what has the shape of the domain. */
static void advance(const bpi_chain *c, values *v, int64_t n) {
    for (int k = 0; k < c->inputs; k++)
        if (c->feed[k].kind == BPI_FEED_WHOLE)
            v->at[k] += (size_t)n * c->feed[k].item;
    for (int k = 0; k < c->ops; k++)
        if (c->op[k].output >= 0)
            v->at[c->inputs + k] += (size_t)n * c->op[k].item;
}

bp_status bpi_chain_run(const bpi_chain *c) {
    values v;
    bp_status status = BP_OK;
    clear_rows(c);
    if (c->count == 0)
        return BP_OK;
    start(c, &v);
    for (int64_t first = 0, n; first < c->count && status == BP_OK; first += n) {
        n = block_at(c, first);
        status = run_block(c, &v, first, n);
        advance(c, &v, n);
    }
    for (int k = 0; k < c->sums; k++)
        if (c->sum[k].row == 1)
            store_total(c, &c->sum[k], v.total[k]);
    return status;
}
