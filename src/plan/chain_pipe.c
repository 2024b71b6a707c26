/* Which ops of a chain run through pipes: those in a row that have a step and one float type. A
 * value that only the next op reads stays in registers; all others are stored, and read where they
 * are. A chain that is one pipe over whole arrays and scalars flows: it needs no blocks. */
#include <string.h>

#include "chain.h"
#include "kernel/cpu.h"

/* A chain being cut into parts. */
typedef struct cutting {
    const bpi_chain *c;
    const bpi_pipe *pipe; /* of the part at hand */
    bool past;            /* its last result may go past the caches */
    int parts, steps;
    bpi_chain_part part[BPI_CHAIN_OPS];
    bpi_pipe_step step[BPI_CHAIN_STEPS];
    uint8_t value[BPI_CHAIN_STEPS];
} cutting;

/* ---- steps ----------------------------------------------------------------------------------- */

static bool is_scalar(const bpi_chain *c, int value) {
    if (value >= c->inputs || c->feed[value].kind == BPI_FEED_WHOLE)
        return false;
    for (int k = 0; k < c->rank; k++)
        if (c->feed[value].stride[k] != 0)
            return false;
    return true;
}

static void put_step(cutting *cut, bpi_pipe_fn *run, int value, double attr) {
    const bool slot = cut->c->flows && cut->c->buffer[value] >= 0;
    cut->value[cut->steps] = (uint8_t)value;
    cut->step[cut->steps++] =
        (bpi_pipe_step){.run = run, .mask = slot ? cut->pipe->slot : SIZE_MAX, .attr = attr};
}

/* Tells whether the part at hand fetches an array. */
static bool is_fetched(const cutting *cut, int value) {
    bool fetched = false;
    for (int k = cut->part[cut->parts - 1].step; k < cut->steps && !fetched; k++)
        fetched = cut->step[k].run == cut->pipe->fetch && cut->value[k] == value;
    return fetched;
}

/* Adds a step, and, if it is the first to read an array that no cache keeps, one that fetches what
 * comes later. */
static void add_step(cutting *cut, bpi_pipe_fn *run, int value, double attr, bool reads) {
    const bpi_chain *c = cut->c;
    put_step(cut, run, value, attr);
    if (cut->past && reads && value < c->inputs && c->feed[value].kind == BPI_FEED_WHOLE &&
        !is_fetched(cut, value))
        put_step(cut, cut->pipe->fetch, value, 0);
}

/* Tells whether op `next` alone reads, once, what the op before it computes. */
static bool is_handed_on(const bpi_chain *c, int next) {
    const bpi_chain_op *op = &c->op[next];
    const int value = c->inputs + next - 1;
    return c->op[next - 1].output < 0 && c->reads[value] == 1 &&
           (op->x[0] == value || (op->inputs == 2 && op->x[1] == value));
}

/* Op `k`: what is in registers, if anything, is value `held`. */
static void add_op(cutting *cut, int k, int held) {
    const bpi_chain *c = cut->c;
    const bpi_chain_op *op = &c->op[k];
    const double attr = op->attr ? op->attr[0] : 0;
    const int group =
        op->x[0] != held && op->inputs == 2 && (op->x[1] == held || is_scalar(c, op->x[0]));
    const int other = op->inputs == 2 ? op->x[1 - group] : op->x[0];
    bpi_pipe_fn *run = NULL;
    if (op->x[group] != held)
        add_step(cut, cut->pipe->load, op->x[group], 0, true);
    if (op->inputs == 2 && is_scalar(c, other))
        run = bpi_pipe_find(&cut->pipe->ops, op->slot, 1 << group, true);
    if (!run)
        run = bpi_pipe_find(&cut->pipe->ops, op->slot, 1 << group, false);
    add_step(cut, run, other, attr, op->inputs == 2);
}

static void add_steps(cutting *cut, int first, int end) {
    for (int k = first; k < end; k++) {
        const int value = cut->c->inputs + k;
        add_op(cut, k, k > first ? value - 1 : -1);
        if (k + 1 == end)
            add_step(cut, cut->pipe->finish, value, 0, false);
        else if (!is_handed_on(cut->c, k + 1))
            add_step(cut, cut->pipe->store, value, 0, false);
    }
}

/* A processor waits for so many lines of memory at once: what is fetched ahead is the same amount
 * for one array and for several together, but at least the next group. */
static void spread_fetches(cutting *cut, int first) {
    enum { AHEAD = 2048, LINE = 64 }; /* bytes */
    size_t fetches = 0, ahead = AHEAD;
    for (int k = first; k < cut->steps; k++)
        fetches += cut->step[k].run == cut->pipe->fetch;
    if (fetches > 0)
        ahead = AHEAD / fetches / LINE * LINE;
    if (ahead < cut->pipe->group)
        ahead = cut->pipe->group;
    for (int k = first; k < cut->steps; k++)
        if (cut->step[k].run == cut->pipe->fetch)
            cut->step[k].ahead = ahead;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* The pipe that an op can be a step of; NULL: none. */
static const bpi_pipe *pipe_for(enum bpi_map_slot slot, bp_dtype dtype) {
    const bpi_pipe *pipe = bpi_pipe_for(dtype);
    return pipe && bpi_pipe_find(&pipe->ops, slot, BPI_PIPE_FIRST, false) ? pipe : NULL;
}

static const bpi_pipe *pipe_of(const bpi_chain *c, int k) {
    return pipe_for(c->op[k].slot, c->op[k].dtype);
}

/* The kernels of cheap ops leave large arrays to pipes. */
bool bpi_chain_suits(enum bpi_map_slot slot, bp_dtype dtype, int64_t count) {
    return count >= BPI_BEYOND_CACHES / (int64_t)bp_dtype_size(dtype) && pipe_for(slot, dtype);
}

/* The end of the ops from `first` on that have the same pipe, or none. */
static int end_of_part(const bpi_chain *c, int first) {
    const bpi_pipe *pipe = pipe_of(c, first);
    int k = first + 1;
    while (k < c->ops && pipe_of(c, k) == pipe)
        k++;
    return k;
}

bool bpi_chain_may_flow(const bpi_chain *c) {
    enum { LEAST = 4096 }; /* bytes of an array */
    bool may = c->sums == 0 && c->count * c->op[0].item > LEAST;
    for (int k = 0; k < c->inputs && may; k++)
        may = c->feed[k].kind == BPI_FEED_WHOLE || is_scalar(c, k);
    return may && pipe_of(c, 0) && end_of_part(c, 0) == c->ops;
}

/* Tells whether the result of an op, which nobody in the chain reads, may go past the caches. */
static bool may_go_past(const bpi_chain *c, int k) {
    return c->op[k].output >= 0 && c->count >= BPI_BEYOND_CACHES / c->op[k].item &&
           c->reads[c->inputs + k] == 0;
}

/* A single op is one pass over the block in any case: it needs a pipe only where there are no
 * blocks, or to write past the caches. */
static void add_part(cutting *cut, int first, int end) {
    const bpi_chain *c = cut->c;
    cut->past = may_go_past(c, end - 1);
    cut->pipe = end - first > 1 || cut->past || c->flows ? pipe_of(c, first) : NULL;
    bpi_chain_part *part = &cut->part[cut->parts++];
    *part = (bpi_chain_part){.pipe = cut->pipe,
                             .first = (uint8_t)first,
                             .end = (uint8_t)end,
                             .step = (uint8_t)cut->steps,
                             .past = cut->past && cut->pipe};
    if (cut->pipe) {
        add_steps(cut, first, end);
        spread_fetches(cut, part->step);
    }
    part->steps = (uint8_t)(cut->steps - part->step);
}

/* What is too small for two groups has no parts. */
bool bpi_chain_cut(bpi_chain *c, bpi_arena *memory) {
    cutting cut;
    if (c->count * c->op[0].item < 2 * BPI_PIPE_GROUP)
        return true;
    cut.c = c;
    cut.parts = cut.steps = 0;
    for (int k = 0, end; k < c->ops; k = end) {
        end = end_of_part(c, k);
        add_part(&cut, k, end);
    }
    const size_t parts = (size_t)cut.parts, steps = (size_t)cut.steps;
    c->parts = cut.parts;
    c->steps = cut.steps;
    c->part = bpi_arena_alloc(memory, parts * sizeof *c->part);
    c->step = bpi_arena_alloc(memory, steps * sizeof *c->step);
    c->at = bpi_arena_alloc(memory, steps);
    if (!c->part || !c->step || !c->at)
        return false;
    memcpy(c->part, cut.part, parts * sizeof *c->part);
    memcpy(c->step, cut.step, steps * sizeof *c->step);
    memcpy(c->at, cut.value, steps);
    return true;
}
