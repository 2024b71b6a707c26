/* Running a chain: the domain is cut into blocks, some whole rows of it or a part of one, and all
 * ops run on a block before the next one (chain_prepare.c chooses the size).
 *
 * Cheap ops in a row are one pass over the block, a pipe, in which one hands its values to the next
 * in registers (chain_pipe.c says which). All other ops are a pass each, and so is every op over
 * what is left of a block after the last group of a pipe: both give the same bits. A chain that is
 * one pipe over whole arrays and scalars is one block. Large results go past the caches.
 *
 * For each block every operand is a contiguous run of elements: as it lies in memory where it has
 * the shape of the domain, else out of a small buffer that it is spread into; a scalar, or a row
 * that repeats, is spread only once. The order of every sum depends on the shapes only. */
#include "chain.h"

#include <string.h>

#include "graph.h"
#include "kernel/pool.h"
#include "kernel/reduce.h"

/* A chain with where its operands and outputs are. */
typedef struct chain_call {
    const bpi_chain *chain;
    const void *const *x;
    void *const *y;
} chain_call;

/* ---- spreading ------------------------------------------------------------------------------- */

static void splat(size_t item, const void *from, void *to, int64_t n) {
    if (item == 4) {
        uint32_t value, *out = to;
        memcpy(&value, from, sizeof value);
        for (int64_t i = 0; i < n; i += 16) /* buffers are whole lines of the cache */
            for (int64_t j = i; j < i + 16; j++)
                out[j] = value;
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

void bpi_chain_spread(const bpi_chain *c, const bpi_feed *x, const void *data, int64_t first,
                      int64_t n, void *to) {
    int64_t index[BP_MAX_RANK];
    int64_t column = first % c->row;
    int64_t place = find_row(c, x, first / c->row, index);
    for (int64_t done = 0; done < n; done += c->row) {
        int64_t part = n - done < c->row ? n - done : c->row;
        spread_row(c, x, (const char *)data + (size_t)place * x->item, column, part,
                   (char *)to + (size_t)done * x->item);
        place = next_row(c, x, place, index);
    }
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The sums of the columns of a block go to the row that is left: the block is whole rows of it, or
 * a part of one that begins at column first % row. The first block that reaches a
 * column writes it. */
static void add_rows(const chain_call *call, const bpi_chain_sum *sum, const void *x, int64_t first,
                     int64_t n, void *partial) {
    const size_t item = bp_dtype_size(sum->dtype);
    int64_t rows = n >= sum->row ? n / sum->row : 1;
    bpi_pass pass = {1, rows, n / rows};
    void *to = (char *)call->y[sum->output] + (size_t)(first % sum->row) * item;
    if (first < sum->row && rows == 1) {
        memcpy(to, x, (size_t)n * item);
        return;
    }
    if (rows > 1)
        bpi_sum_pass(&pass, sum->dtype, x, first < sum->row ? to : partial);
    if (first < sum->row)
        return;
    const void *both[2] = {to, rows > 1 ? partial : x};
    sum->add((size_t)pass.inner, both, to, NULL);
}

/* The sum of a block; the sums of blocks are added up in double precision. */
static double sum_block(const bpi_chain_sum *sum, const void *x, int64_t n) {
    enum { FEW = 16 };
    double total = 0;
    if (n <= FEW && sum->dtype == BP_F32) {
        for (int64_t k = 0; k < n; k++)
            total += (double)((const float *)x)[k];
        return total;
    }
    float single = 0;
    bpi_pass pass = {1, n, 1};
    bpi_sum_pass(&pass, sum->dtype, x, sum->dtype == BP_F64 ? (void *)&total : &single);
    return sum->dtype == BP_F64 ? total : (double)single;
}

/* ---- running --------------------------------------------------------------------------------- */

/* How many elements from `first` on, and before `end`, are the next block: never more than the rest
 * of a long row. */
static int64_t block_at(const bpi_chain *c, int64_t first, int64_t end) {
    int64_t n = c->block;
    if (c->row > c->block && c->row - first % c->row < n)
        n = c->row - first % c->row;
    return end - first < n ? end - first : n;
}

/* Where the values of a block are. */
typedef struct values {
    char *at[BPI_CHAIN_INPUTS + BPI_CHAIN_OPS];
    bpi_pipe_step step[BPI_CHAIN_STEPS];
    char *partial;                /* room for the sums of a block */
    double total[BPI_CHAIN_SUMS]; /* so far, of sums over everything */
} values;

/* How many elements a buffer holds of what is spread once. */
static int64_t spread_once(const bpi_chain *c, const bpi_feed *feed, int64_t rest) {
    return c->flows ? BPI_PIPE_GROUP / (int64_t)feed->item : block_at(c, 0, rest);
}

/* Finds the place of every value of the block from `first` on, and spreads what is spread once. */
static void start(const chain_call *call, values *v, char *room, int64_t first, int64_t end) {
    const bpi_chain *c = call->chain;
    for (int k = 0; k < c->inputs; k++) {
        const bpi_feed *feed = &c->feed[k];
        if (feed->kind == BPI_FEED_WHOLE) {
            v->at[k] = (char *)call->x[k] + (size_t)first * feed->item;
            continue;
        }
        v->at[k] = room + (size_t)c->buffer[k] * c->buffer_bytes;
        if (feed->kind == BPI_FEED_ONCE)
            bpi_chain_spread(c, feed, call->x[k], 0, spread_once(c, feed, end - first), v->at[k]);
    }
    for (int k = 0; k < c->ops; k++) {
        const bpi_chain_op *op = &c->op[k];
        v->at[c->inputs + k] = op->output >= 0
                                   ? (char *)call->y[op->output] + (size_t)first * op->item
                                   : room + (size_t)c->buffer[c->inputs + k] * c->buffer_bytes;
    }
    v->partial = room + (size_t)(c->buffers - 1) * c->buffer_bytes;
    for (int k = 0; k < c->sums; k++)
        v->total[k] = 0;
    if (c->steps > 0)
        memcpy(v->step, c->step, (size_t)c->steps * sizeof *v->step);
}

static void sum_up(const chain_call *call, values *v, int64_t first, int64_t n) {
    const bpi_chain *c = call->chain;
    for (int k = 0; k < c->sums; k++) {
        const bpi_chain_sum *sum = &c->sum[k];
        if (sum->row > 1)
            add_rows(call, sum, v->at[sum->value], first, n, v->partial);
        else
            v->total[k] += sum_block(sum, v->at[sum->value], n);
    }
}

/* Makes elements first .. first+n of an operand that is not there as a whole: a part of a long row
 * is used where it lies. */
static void feed_rows(const chain_call *call, values *v, int k, int64_t first, int64_t n) {
    const bpi_chain *c = call->chain;
    const bpi_feed *x = &c->feed[k];
    int64_t index[BP_MAX_RANK];
    if (c->row < c->block || x->stride[c->rank - 1] == 0)
        bpi_chain_spread(c, x, call->x[k], first, n, v->at[k]);
    else
        v->at[k] = (char *)call->x[k] +
                   (size_t)(find_row(c, x, first / c->row, index) + first % c->row) * x->item;
}

/* Tells whether the last result of a part goes past the caches: it is at whole lines, and not over
 * an operand, whose lines are there already. */
static bool goes_past(const chain_call *call, const values *v, const bpi_chain_part *part) {
    const bpi_chain *c = call->chain;
    const int last = part->end - 1;
    bool past = part->past && (uintptr_t)v->at[c->inputs + last] % 64 == 0;
    for (int k = 0; k < c->inputs && past; k++)
        past = call->x[k] != call->y[c->op[last].output];
    return past;
}

/* Takes the whole groups of a block through a pipe; returns how many elements these are. */
static int64_t run_pipe(const chain_call *call, values *v, const bpi_chain_part *part, int64_t n) {
    const bpi_chain *c = call->chain;
    bpi_pipe_step *step = &v->step[part->step];
    const int64_t elements = (int64_t)part->pipe->group / c->op[part->first].item;
    const int64_t groups = n / elements;
    for (int k = 0; k < part->steps; k++)
        step[k].at = v->at[c->at[part->step + k]];
    step[part->steps - 1].run =
        goes_past(call, v, part) ? part->pipe->finish_past : part->pipe->finish;
    part->pipe->run(step, (size_t)groups * part->pipe->group);
    return groups * elements;
}

/* Where element `done` of a block is. */
static char *place(const bpi_chain *c, const values *v, int value, int64_t done, size_t item) {
    const bool group = c->flows && c->buffer[value] >= 0;
    return v->at[value] + (group ? 0 : (size_t)done * item);
}

/* Runs ops one after the other on elements done .. n of a block. */
static bp_status run_ops(const bpi_chain *c, const values *v, int first, int end, int64_t done,
                         int64_t n) {
    bp_status status = BP_OK;
    for (int k = first; k < end && status == BP_OK; k++) {
        const bpi_chain_op *op = &c->op[k];
        const void *x[3] = {place(c, v, op->x[0], done, op->item),
                            place(c, v, op->x[1], done, op->item),
                            place(c, v, op->x[2], done, op->item)};
        status =
            op->map((size_t)(n - done), x, place(c, v, c->inputs + k, done, op->item), op->attr);
    }
    return status;
}

static bp_status run_block(const chain_call *call, values *v, int64_t first, int64_t n) {
    const bpi_chain *c = call->chain;
    for (int k = 0; k < c->inputs; k++)
        if (c->feed[k].kind == BPI_FEED_ROWS)
            feed_rows(call, v, k, first, n);
    bp_status status = c->parts == 0 ? run_ops(c, v, 0, c->ops, 0, n) : BP_OK;
    for (int k = 0; k < c->parts && status == BP_OK; k++) {
        const bpi_chain_part *part = &c->part[k];
        const int64_t done = part->pipe ? run_pipe(call, v, part, n) : 0;
        if (done < n)
            status = run_ops(c, v, part->first, part->end, done, n);
    }
    sum_up(call, v, first, n);
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

static bp_status run_part(const chain_call *call, int64_t first, int64_t end) {
    const bpi_chain *c = call->chain;
    _Alignas(64) char room[BPI_CHAIN_ROOM];
    values v;
    bp_status status = BP_OK;
    start(call, &v, room, first, end);
    for (int64_t n; status == BP_OK && first < end; first += n) {
        n = block_at(c, first, end);
        status = run_block(call, &v, first, n);
        if (first + n < end)
            advance(c, &v, n);
    }
    for (int k = 0; k < c->parts; k++)
        if (c->part[k].past)
            c->part[k].pipe->fence();
    for (int k = 0; k < c->sums; k++)
        if (c->sum[k].row == 1)
            bpi_store(c->sum[k].dtype, call->y[c->sum[k].output], 0, v.total[k]);
    return status;
}

/* ---- threads --------------------------------------------------------------------------------- */

/* Without sums the elements do not depend on each other. Ops that can fail are
 * never part of a chain. */
static void run_one_part(void *context, int64_t first, int64_t n) {
    run_part(context, first, first + n);
}

/* What is summed into begins with zeros where there is nothing to sum. */
static void clear_sums(const chain_call *call) {
    const bpi_chain *c = call->chain;
    for (int k = 0; k < c->sums; k++)
        memset(call->y[c->sum[k].output], 0,
               (size_t)c->sum[k].row * bp_dtype_size(c->sum[k].dtype));
}

bp_status bpi_chain_run(const bpi_chain *c, const void *const *x, void *const *y) {
    chain_call call = {c, x, y};
    if (c->count == 0) {
        clear_sums(&call);
        return BP_OK;
    }
    if (c->sums > 0)
        return run_part(&call, 0, c->count);
    bpi_pool_sweep(*c->threads, c->count, c->row, run_one_part, &call);
    return BP_OK;
}
