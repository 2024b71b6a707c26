/* Preparing a chain: dimensions that are contiguous in all operands are taken together, so that
 * most cases are one row or a few long ones; it is found how each operand is fed to the ops, which
 * buffers are needed, and how many elements at a time fit the first cache with everything that is
 * read and written. */
#include "chain.h"
#include "graph.h"

/* ---- the domain ------------------------------------------------------------------------------ */

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

/* Tells whether a sum leaves a row that begins at dimension `k`: it is not taken together with the
 * one before it. `rest` is the number of elements from there on. */
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

/* Tells whether an operand is a scalar, or one row that repeats and is not longer than a block:
 * then it is spread only once. */
static bool one_row_for_all(const bpi_chain *c, const bpi_feed *x) {
    for (int k = 0; k < c->rank - 1; k++)
        if (x->stride[k] != 0)
            return false;
    return c->rank == 0 || x->stride[c->rank - 1] == 0 || c->row <= c->block;
}

/* ---- buffers --------------------------------------------------------------------------------- */

/* By value: the op that reads it last, or the number of ops for what is summed; -1: none. */
static void find_last_readers(const bpi_chain *c, int *last) {
    for (int value = 0; value < c->inputs + c->ops; value++)
        last[value] = -1;
    for (int k = 0; k < c->ops; k++)
        for (int i = 0; i < c->op[k].inputs; i++)
            last[c->op[k].x[i]] = k;
    for (int k = 0; k < c->sums; k++)
        last[c->sum[k].value] = c->ops;
}

static int8_t take_buffer(bpi_chain *c, uint64_t *unused) {
    int8_t lowest = 0;
    while (!(*unused >> lowest & 1))
        lowest++;
    *unused &= ~(UINT64_C(1) << lowest);
    if (lowest >= c->buffers)
        c->buffers = lowest + 1;
    return lowest;
}

/* Gives buffers to what is spread and to results that stay inside; that of a result which nobody
 * reads any more is used again, by the op that reads it last if its elements have the same size.
 * The last buffer is for the sums of a block. */
static void share_buffers(bpi_chain *c) {
    uint64_t unused = UINT64_MAX;
    int last[BPI_CHAIN_INPUTS + BPI_CHAIN_OPS];
    find_last_readers(c, last);
    c->buffers = 0;
    for (int k = 0; k < c->inputs; k++)
        c->buffer[k] = c->feed[k].kind == BPI_FEED_WHOLE ? -1 : take_buffer(c, &unused);
    for (int k = 0; k < c->ops; k++) {
        const bpi_chain_op *op = &c->op[k];
        uint64_t dying = 0, same = 0;
        for (int value = c->inputs; value < c->inputs + k; value++)
            if (c->buffer[value] >= 0 && last[value] == k) {
                dying |= UINT64_C(1) << c->buffer[value];
                if (c->op[value - c->inputs].item == op->item)
                    same |= UINT64_C(1) << c->buffer[value];
            }
        unused |= same;
        c->buffer[c->inputs + k] = op->output >= 0 ? -1 : take_buffer(c, &unused);
        unused |= dying & ~(op->output >= 0 ? 0 : UINT64_C(1) << c->buffer[c->inputs + k]);
    }
    c->buffers += c->sums > 0;
}

/* The bytes of an element of the widest value. */
static int64_t widest_item(const bpi_chain *c) {
    int64_t item = 1;
    for (int k = 0; k < c->inputs + c->ops; k++) {
        int64_t own = k < c->inputs ? (int64_t)c->feed[k].item : c->op[k - c->inputs].item;
        item = own > item ? own : item;
    }
    return item;
}

/* How many elements of all values together fit the first cache, and of those in
 * buffers the room. */
static int64_t most_in_block(const bpi_chain *c, int64_t item) {
    enum { FIRST_CACHE = 40 * 1024, LEAST = 64, MOST = 1024, PADDING = 64 };
    int64_t streams = c->buffers;
    for (int k = 0; k < c->inputs + c->ops; k++)
        streams += c->buffer[k] < 0;
    int64_t most = FIRST_CACHE / (streams * item);
    if (c->buffers > 0 && most > (BPI_CHAIN_ROOM / c->buffers - PADDING) / item)
        most = (BPI_CHAIN_ROOM / c->buffers - PADDING) / item;
    most = most / LEAST * LEAST;
    return most < LEAST ? LEAST : most > MOST ? MOST : most;
}

/* A block is whole rows, or a part of a longer one. */
static void choose_block(bpi_chain *c) {
    int64_t item = widest_item(c), most = most_in_block(c, item);
    c->block = c->row >= most || c->row == 0 ? most : most / c->row * c->row;
    int64_t used = c->count < c->block ? c->count : c->block;
    if (c->flows) {
        used = BPI_PIPE_GROUP / item;
        c->block = c->count;
    }
    /* not a power of two: equal places of many buffers would compete for the same
     * lines of the cache */
    c->buffer_bytes = (size_t)((used * item + 63) / 64 * 64 + 64);
}

static void count_reads(bpi_chain *c) {
    for (int k = 0; k < c->ops; k++)
        for (int i = 0; i < c->op[k].inputs; i++)
            c->reads[c->op[k].x[i]]++;
    for (int k = 0; k < c->sums; k++)
        c->reads[c->sum[k].value]++;
}

bool bpi_chain_prepare(bpi_chain *c, const bp_type *const *types, const bp_shape *domain,
                       bpi_arena *memory) {
    c->count = bpi_count(domain);
    count_reads(c);
    for (int k = 0; k < c->inputs; k++) {
        c->feed[k].item = bp_dtype_size(types[k]->dtype);
        broadcast_strides(&types[k]->shape, domain, c->feed[k].stride);
    }
    collapse(c, domain);
    for (int k = 0; k < c->inputs; k++)
        c->feed[k].kind = bpi_count(&types[k]->shape) == c->count ? BPI_FEED_WHOLE : BPI_FEED_ROWS;
    c->flows = bpi_chain_may_flow(c);
    share_buffers(c);
    choose_block(c);
    for (int k = 0; k < c->inputs; k++)
        if (c->feed[k].kind == BPI_FEED_ROWS && one_row_for_all(c, &c->feed[k]))
            c->feed[k].kind = BPI_FEED_ONCE;
    return bpi_chain_cut(c, memory);
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
